/*
 * input.c: a byte stream over a descriptor, decompressed where the first bytes are neither text nor native.
 *
 * Two stages: raw (the descriptor's bytes) and what comes out of unpack.h or libarchive. Of plain bytes the
 * second is absent. An archive of several files is refused unless they are joined: which of them would be the
 * trace? Empty files before it do not count.
 */
#include "input.h"

#include "bits.h"
#include "bytes.h"
#include "error.h"
#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RAW_SIZE = 1 << 18, HEAD_SIZE = 4096 };

struct input {
    char *name;
    bool (*native)(const unsigned char *head, size_t n); /* or NULL */
    int fd;
    bool owns_fd;
    bool regular;
    uint64_t base; /* where the input begins in the descriptor: not 0 only for standard input */
    uint64_t size; /* of a regular file from base on */
    uint64_t raw_read;
    bool raw_end;
    int raw_error;              /* errno of the read that failed */
    size_t raw_pos, raw_filled; /* raw_pos <= raw_filled <= RAW_SIZE */
    bool packed;                /* the input comes out of one of the two below; else it is the raw bytes */
    struct unpack *unpack;      /* gzip, xz, zstd */
    struct archive *archive;    /* all else */
    uint64_t archive_from;      /* where in the raw bytes libarchive began */
    bool archive_end;           /* of either */
    const unsigned char *block; /* of decompressed bytes, libarchive's; block_left are left of it */
    size_t block_left;
    uint64_t unpacked; /* bytes that came out */
    bool joined;       /* an archive's files are one stream */
    bool several;      /* stopped before a second file, which can still be joined */
    struct mmu_error
        failed; /* what is wrong with the packed bytes, kept until what came before it is delivered */
    size_t head_pos, head_filled; /* only if packed; head_pos <= head_filled <= HEAD_SIZE */
    uint64_t offset;
    unsigned char head[HEAD_SIZE];
    unsigned char raw[RAW_SIZE];
};

static int io_error(const struct input *in, int number, const char *what, struct mmu_error *err)
{
    return err_at(err, number == ENOENT ? MMU_ERR_NOTFOUND : MMU_ERR_IO, in->name, 0, 0, "%s: %s%s", what,
                  strerror(number), number == EMFILE ? "; 'ulimit -n' allows more" : "");
}

/* One read of the descriptor behind what is in raw. Returns false at the end or on an error (raw_error). */
static bool raw_fill(struct input *in)
{
    ssize_t got;

    if (in->raw_end || in->raw_filled == RAW_SIZE)
        return false;
    do
        got = read(in->fd, in->raw + in->raw_filled, RAW_SIZE - in->raw_filled);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        in->raw_error = got < 0 ? errno : 0;
        in->raw_end = true;
        return false;
    }
    in->raw_filled += (size_t)got;
    in->raw_read += (uint64_t)got;
    return true;
}

/* Hands over what is in raw, filling it first if it is used up. Returns 0 at the end, negative on an error.
 */
static ssize_t take_raw(void *data, const void **buffer)
{
    struct input *in = data;
    size_t n;

    if (in->raw_pos == in->raw_filled) {
        in->raw_pos = in->raw_filled = 0;
        raw_fill(in);
    }
    if (in->raw_error)
        return -1;
    *buffer = in->raw + in->raw_pos;
    n = in->raw_filled - in->raw_pos;
    in->raw_pos = in->raw_filled;
    return (ssize_t)n;
}

/* libarchive's read callback. */
static ssize_t archive_raw(struct archive *a, void *data, const void **buffer)
{
    struct input *in = data;
    ssize_t n = take_raw(in, buffer);

    if (n < 0)
        archive_set_error(a, in->raw_error, "%s", strerror(in->raw_error));
    return n < 0 ? ARCHIVE_FATAL : n;
}

/* Keeps what is wrong for the reader: text, or that the packed bytes cannot be read. */
static int packed_failed(struct input *in, const char *text, bool truncated)
{
    in->archive_end = true;
    if (in->raw_error)
        return io_error(in, in->raw_error, "cannot read", &in->failed);
    return err_offset(&in->failed, truncated ? MMU_ERR_TRUNCATED : MMU_ERR_FORMAT, in->name, in->unpacked,
                      "after decompression: %s", text);
}

/* Keeps libarchive's complaint. Where the bytes end too early it says so, or what its decompressor says that
 * has no more of them: liblzma's LZMA_BUF_ERROR, zlib's Z_BUF_ERROR. */
static int archive_failed(struct input *in)
{
    static const char *const starved[] = {"No progress is possible", "ZIP decompression failed (-5)"};
    const char *text = archive_error_string(in->archive);

    if (!text)
        text = "cannot be decompressed";
    for (size_t i = 0; i < COUNT_OF(starved); i++)
        if (in->raw_end && strstr(text, starved[i]))
            return packed_failed(in, "truncated input", true);
    return packed_failed(in, text, strstr(text, "runcated") != NULL); /* "Truncated xz input" */
}

/* A frame to skip, which zstd and lz4 have; its length is behind the magic. */
static bool begins_skipped(const unsigned char *head, size_t n)
{
    return n >= 8 && (head[0] & 0xf0) == 0x50 && !memcmp(head + 1, "\x2a\x4d\x18", 3);
}

/*
 * Only the compression whose first bytes these are is switched on: libarchive looks for all that it knows at
 * each stage, and takes the head of many a plain trace for a second compression below the first. Returns
 * false if they are none's.
 */
static bool support_filter(struct archive *a, const unsigned char *head, size_t n)
{
    static const struct {
        const char *magic;
        size_t length;
        int (*support)(struct archive *);
    } filters[] = {{"\x1f\x8b", 2, archive_read_support_filter_gzip},
                   {"\xfd"
                    "7zXZ",
                    5, archive_read_support_filter_xz},
                   {"\x28\xb5\x2f\xfd", 4, archive_read_support_filter_zstd},
                   {"BZh", 3, archive_read_support_filter_bzip2},
                   {"\x04\x22\x4d\x18", 4, archive_read_support_filter_lz4},
                   {"\x02\x21\x4c\x18", 4, archive_read_support_filter_lz4}, /* of its beginnings */
                   {"LZIP", 4, archive_read_support_filter_lzip},
                   {"\x1f\x9d", 2, archive_read_support_filter_compress},
                   {"\x5d\0\0", 3, archive_read_support_filter_lzma}};
    bool known = false;

    for (size_t i = 0; i < COUNT_OF(filters); i++)
        if (n >= filters[i].length && !memcmp(head, filters[i].magic, filters[i].length)) {
            filters[i].support(a);
            known = true;
        }
    if (begins_skipped(head, n))
        archive_read_support_filter_zstd(a);
    return known || begins_skipped(head, n);
}

/*
 * libarchive stops behind a compressed stream of no bytes, and at bytes that it does not know, without a
 * word. Goes to the packed bytes that it has not taken. Returns false when there are none, or on a failure.
 */
static bool go_behind(struct input *in)
{
    uint64_t taken = in->archive_from + (uint64_t)archive_filter_bytes(in->archive, -1);
    uint64_t begin = in->raw_read - in->raw_filled;

    if (taken >= begin) {
        in->raw_pos = (size_t)(taken - begin);
    } else { /* it looked beyond the buffer */
        if (!in->regular || lseek(in->fd, (off_t)(in->base + taken), SEEK_SET) < 0) {
            packed_failed(in, "bytes follow that cannot be gone back to", false);
            return false;
        }
        in->raw_read = taken;
        in->raw_pos = in->raw_filled = 0;
        in->raw_end = false;
    }
    in->archive_from = taken;
    in->raw_filled -= in->raw_pos;
    memmove(in->raw, in->raw + in->raw_pos, in->raw_filled);
    in->raw_pos = 0;
    while (in->raw_filled < HEAD_SIZE && raw_fill(in))
        ;
    if (in->raw_error)
        packed_failed(in, "", false);
    return in->raw_filled && !in->raw_error;
}

/* Has libarchive read the packed bytes in raw and behind; not frames to skip, of which its lz4 wants no first
 * one. */
static bool archive_begin(struct input *in)
{
    struct archive *a = in->archive = archive_read_new();
    size_t left;

    if (!a) {
        in->archive_end = true;
        err_at(&in->failed, MMU_ERR_NOMEM, in->name, 0, 0, "out of memory");
        return false;
    }
    while (begins_skipped(in->raw + in->raw_pos, left = in->raw_filled - in->raw_pos) &&
           get32(in->raw + in->raw_pos + 4) < left - 8)
        in->raw_pos += 8 + get32(in->raw + in->raw_pos + 4);
    in->archive_from += in->raw_pos;
    if (!support_filter(a, in->raw + in->raw_pos, left) && in->archive_from) {
        packed_failed(in, "something else follows the compressed bytes", false);
        return false;
    }
    archive_read_support_format_raw(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_empty(a);
    if (archive_read_open(a, in, NULL, archive_raw, NULL) == ARCHIVE_OK)
        return true;
    archive_failed(in);
    return false;
}

/* At the end of a compressed stream, which is no archive: another one may follow it. */
static bool archive_again(struct input *in)
{
    int format = archive_format(in->archive) & ARCHIVE_FORMAT_BASE_MASK;

    if ((format != ARCHIVE_FORMAT_RAW && format != ARCHIVE_FORMAT_EMPTY) || !go_behind(in))
        return false;
    archive_read_free(in->archive);
    return archive_begin(in);
}

/*
 * libarchive reads a zip archive as a stream, and ends before its list of files without a word, also where
 * that is cut. The record at its end has at least 22 bytes, and a comment; of a pipe it is not looked for.
 */
static void check_zip(struct input *in)
{
    enum { RECORD = 22, COMMENT = 65535 };
    size_t n = in->size < RECORD + COMMENT ? (size_t)in->size : RECORD + COMMENT;
    ssize_t got;
    bool found = false;

    if (!in->regular || (archive_format(in->archive) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP)
        return;
    got = pread(in->fd, in->raw, n, (off_t)(in->base + in->size - n)); /* nobody needs raw any more */
    in->raw_pos = in->raw_filled = 0;
    for (ssize_t i = 0; i + RECORD <= got && !found; i++)
        found = !memcmp(in->raw + i, "PK\5\6", 4);
    if (!found)
        packed_failed(in, "truncated zip input: its list of files is cut", true);
}

/* Goes to the first file of the archive, or past the last: there must be one. Returns false at the end and on
 * an error. */
static bool archive_next(struct input *in, bool first)
{
    struct archive_entry *entry;

    for (;;) {
        int code = archive_read_next_header(in->archive, &entry);
        if (code == ARCHIVE_EOF && archive_again(in)) {
            first = true;
            continue;
        }
        if (code == ARCHIVE_EOF) {
            in->archive_end = true;
            check_zip(in);
            return false;
        }
        if (code < ARCHIVE_WARN) {
            archive_failed(in);
            return false;
        }
        if (archive_entry_filetype(entry) == AE_IFDIR)
            continue;
        if (!first && !in->joined && in->unpacked) {
            in->archive_end = in->several = true;
            err_at(&in->failed, MMU_ERR_FORMAT, in->name, 0, 0, "an archive of several files, expected one");
            return false;
        }
        return true;
    }
}

/* Has libarchive give its next block. Not archive_read_data(): that forgets what it copied when an error
 * comes behind it. */
static void archive_block(struct input *in)
{
    const void *block;
    int64_t offset;
    int code = archive_read_data_block(in->archive, &block, &in->block_left, &offset);

    in->block = block;
    if (code < ARCHIVE_WARN || (code < ARCHIVE_OK && !in->block_left)) {
        in->block_left = 0;
        archive_failed(in);
    } else if (code == ARCHIVE_EOF) {
        in->block_left = 0;
        archive_next(in, false);
    }
}

/* Of gzip, xz and zstd. */
static size_t unpack_bytes(struct input *in, unsigned char *to, size_t n)
{
    size_t got = in->archive_end ? 0 : unpack_read(in->unpack, to, n);
    const char *wrong;
    bool cut;

    in->unpacked += got;
    if (got < n && !in->archive_end) {
        in->archive_end = true;
        if ((wrong = unpack_wrong(in->unpack, &cut)) || in->raw_error)
            packed_failed(in, wrong, cut);
    }
    return got;
}

/* Decompressed bytes; 0: the end, or an error in in->failed. */
static size_t packed_bytes(struct input *in, unsigned char *to, size_t n)
{
    size_t got = 0;

    if (in->unpack)
        return unpack_bytes(in, to, n);
    while (got < n) {
        size_t now = in->block_left < n - got ? in->block_left : n - got;
        if (!now) {
            if (in->archive_end)
                break;
            archive_block(in);
            continue;
        }
        memcpy(to + got, in->block, now);
        in->block += now;
        in->block_left -= now;
        in->unpacked += now;
        got += now;
    }
    return got;
}

/* Unpacks the head by unpack.h. Returns false if that is not for it: another compression, or a packed tar
 * archive. */
static bool unpack_open(struct input *in)
{
    if (!unpack_knows(in->raw, in->raw_filled))
        return false;
    in->unpack = unpack_create(in->raw, in->raw_filled, take_raw, in);
    if (!in->unpack)
        return false; /* out of memory, as libarchive will find */
    in->head_filled = packed_bytes(in, in->head, HEAD_SIZE);
    if (in->head_filled < 512 || memcmp(in->head + 257, "ustar", 5) || in->raw_read != in->raw_filled)
        return true;
    unpack_free(in->unpack);
    in->unpack = NULL;
    in->archive_end = false;
    in->raw_pos = in->head_filled = 0;
    in->unpacked = 0;
    return false;
}

/* At the first byte of what is packed. */
static int packed_start(struct input *in, struct mmu_error *err)
{
    in->packed = true;
    while (in->raw_filled < HEAD_SIZE && raw_fill(in))
        ;
    if (!unpack_open(in) && archive_begin(in) && archive_next(in, true))
        in->head_filled = packed_bytes(in, in->head, HEAD_SIZE);
    if (!in->head_filled && in->failed.code) {
        if (err)
            *err = in->failed;
        return in->failed.code;
    }
    return MMU_OK;
}

static void packed_end(struct input *in)
{
    archive_read_free(in->archive);
    unpack_free(in->unpack);
    in->archive = NULL;
    in->unpack = NULL;
    in->archive_end = false;
    in->archive_from = 0;
    in->block_left = 0;
    in->unpacked = 0;
    in->head_pos = in->head_filled = 0;
    memset(&in->failed, 0, sizeof in->failed);
}

/* Bytes that only text has, and not the "LZIP" of lzip. */
static bool is_text(const unsigned char *p, size_t n)
{
    if (n >= 4 && !memcmp(p, "LZIP", 4))
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\t' && p[i] != '\n' && p[i] != '\r' && (p[i] < ' ' || p[i] > '~'))
            return false;
    return true;
}

/* Nothing but zeros, of which libarchive makes an archive without files, and says no more. */
static bool is_blank(const unsigned char *p, size_t n)
{
    return !p[0] && !memcmp(p, p + 1, n - 1);
}

/* Reads the first bytes and decides whether libarchive is needed. */
static int start(struct input *in, struct mmu_error *err)
{
    size_t n;

    while (in->raw_filled < HEAD_SIZE && raw_fill(in))
        ;
    if (in->raw_error)
        return io_error(in, in->raw_error, "cannot read", err);
    if (!in->raw_filled)
        return err_at(err, MMU_ERR_FORMAT, in->name, 0, 0, "the file is empty, expected a trace");
    n = in->raw_filled < HEAD_SIZE ? in->raw_filled : HEAD_SIZE;
    if (in->native && in->native(in->raw, n))
        return MMU_OK;
    if (is_text(in->raw, n < 512 ? n : 512) || is_blank(in->raw, n))
        return MMU_OK;
    return packed_start(in, err);
}

static int open_descriptor(struct input *in, const char *path, struct mmu_error *err)
{
    struct stat st;
    off_t at;

    in->fd = STDIN_FILENO;
    if (strcmp(path, "-")) {
        in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (in->fd < 0)
            return io_error(in, errno, "cannot open", err);
        in->owns_fd = true;
    }
    if (fstat(in->fd, &st))
        return io_error(in, errno, "cannot open", err);
    if (S_ISDIR(st.st_mode))
        return err_at(err, MMU_ERR_IO, in->name, 0, 0, "is a directory, expected a trace file");
    at = S_ISREG(st.st_mode) ? lseek(in->fd, 0, SEEK_CUR) : -1;
    if (at >= 0) {
        in->regular = true;
        in->base = (uint64_t)at;
        in->size = at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
    }
    return MMU_OK;
}

int input_open(struct input **out, const char *path, bool (*native)(const unsigned char *head, size_t n),
               struct mmu_error *err)
{
    struct input *in = calloc(1, sizeof *in);
    int code;

    if (!in || !(in->name = strdup(strcmp(path, "-") ? path : "standard input"))) {
        free(in);
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    }
    in->native = native;
    code = open_descriptor(in, path, err);
    if (!code)
        code = start(in, err);
    if (code) {
        input_close(in);
        return code;
    }
    *out = in;
    return MMU_OK;
}

void input_close(struct input *in)
{
    if (!in)
        return;
    packed_end(in);
    if (in->owns_fd)
        close(in->fd);
    free(in->name);
    free(in);
}

size_t input_head(const struct input *in, const unsigned char **head)
{
    size_t n = in->packed ? in->head_filled : in->raw_filled;

    *head = in->packed ? in->head : in->raw;
    return n < HEAD_SIZE ? n : HEAD_SIZE;
}

/* Raw bytes: from the buffer first, then straight into the caller's memory if much is wanted. */
static int64_t read_raw(struct input *in, unsigned char *to, size_t n, struct mmu_error *err)
{
    size_t got = 0;

    while (got < n) {
        size_t left = in->raw_filled - in->raw_pos, now = left < n - got ? left : n - got;
        memcpy(to + got, in->raw + in->raw_pos, now);
        in->raw_pos += now;
        got += now;
        if (in->raw_pos == in->raw_filled) {
            in->raw_pos = in->raw_filled = 0;
            if (got < n && !raw_fill(in))
                break;
        }
    }
    in->offset += got;
    if (!got && in->raw_error)
        return io_error(in, in->raw_error, "cannot read", err);
    return (int64_t)got;
}

int64_t input_read(struct input *in, void *to, size_t n, struct mmu_error *err)
{
    unsigned char *bytes = to;
    size_t got = 0;

    if (!in->packed)
        return read_raw(in, bytes, n, err);
    got = in->head_filled - in->head_pos < n ? in->head_filled - in->head_pos : n;
    memcpy(bytes, in->head + in->head_pos, got);
    in->head_pos += got;
    got += packed_bytes(in, bytes + got, n - got);
    in->offset += got;
    if (!got && n && in->failed.code) {
        if (err)
            *err = in->failed;
        return in->failed.code;
    }
    return (int64_t)got;
}

void input_join(struct input *in)
{
    in->joined = true;
    if (in->several) { /* the first file was shorter than the head */
        in->several = in->archive_end = false;
        memset(&in->failed, 0, sizeof in->failed);
    }
}

bool input_seekable(const struct input *in)
{
    return in->regular && !in->packed;
}

bool input_rewindable(const struct input *in)
{
    return in->regular;
}

static int reposition(struct input *in, uint64_t offset, struct mmu_error *err)
{
    if (offset > INT64_MAX - in->base || lseek(in->fd, (off_t)(in->base + offset), SEEK_SET) < 0)
        return err_offset(err, MMU_ERR_IO, in->name, offset, "cannot seek");
    in->raw_pos = in->raw_filled = 0;
    in->raw_read = in->offset = offset;
    in->raw_end = false;
    in->raw_error = 0;
    return MMU_OK;
}

int input_seek(struct input *in, uint64_t offset, struct mmu_error *err)
{
    REQUIRE(input_seekable(in));
    /* A short way forward stays in the buffer. */
    if (offset >= in->offset && offset - in->offset <= in->raw_filled - in->raw_pos) {
        in->raw_pos += (size_t)(offset - in->offset);
        in->offset = offset;
        return MMU_OK;
    }
    return reposition(in, offset, err);
}

int input_rewind(struct input *in, struct mmu_error *err)
{
    int code;

    if (!in->regular)
        return err_at(err, MMU_ERR_UNSUPPORTED, in->name, 0, 0, "cannot go back in a pipe");
    code = reposition(in, 0, err);
    if (code || !in->packed)
        return code;
    packed_end(in);
    return packed_start(in, err);
}

uint64_t input_offset(const struct input *in)
{
    return in->offset;
}

uint64_t input_size(const struct input *in)
{
    return in->size;
}

double input_progress(const struct input *in)
{
    uint64_t consumed = in->raw_read - (in->raw_filled - in->raw_pos);

    return in->regular && in->size ? (double)(consumed < in->size ? consumed : in->size) / (double)in->size
                                   : -1;
}

const char *input_name(const struct input *in)
{
    return in->name;
}
