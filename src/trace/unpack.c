/*
 * unpack.c: gzip by zlib, xz and lzma by liblzma, zstd by libzstd. Several members, streams or frames behind
 * each other are one stream; zeros behind the last gzip member are ignored, as tapes leave them. Leaves out
 * zstd's dictionaries, and xz files whose reader would need more than 1 GiB. A .lzma file is one stream.
 */
#include "unpack.h"

#include "bits.h"
#include "bytes.h"

#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct method;

struct unpack {
    unpack_more *more;
    void *ctx;
    const struct method *method;
    ZSTD_DStream *zstd;
    z_stream gzip;
    lzma_stream xz;
    const unsigned char *in; /* packed bytes not yet taken */
    size_t in_left;
    bool in_ended; /* there are no more */
    bool inside;   /* of a member or frame */
    bool done;
    bool cut;
    const char *wrong;
};

/* Sees to it that there are packed bytes. Returns false when there are no more. */
static bool fill(struct unpack *u)
{
    const void *bytes;
    ssize_t n;

    if (u->in_left || u->in_ended)
        return u->in_left > 0;
    n = u->more(u->ctx, &bytes);
    u->in = n > 0 ? bytes : NULL;
    u->in_left = n > 0 ? (size_t)n : 0;
    u->in_ended = n <= 0;
    return n > 0;
}

static void fail(struct unpack *u, const char *wrong, bool cut)
{
    u->wrong = wrong;
    u->cut = cut;
    u->done = true;
}

/* One step. Returns bytes written to to[0..n). */
static size_t step_gzip(struct unpack *u, unsigned char *to, size_t n)
{
    z_stream *z = &u->gzip;
    const uInt most = 1u << 30;
    int code;

    if (!fill(u)) {
        u->inside ? fail(u, "truncated gzip input", true) : (void)(u->done = true);
        return 0;
    }
    if (!u->inside && u->in[0] != 0x1f) { /* no other member */
        for (; u->in_left && !*u->in; u->in_left--)
            u->in++;
        if (u->in_left)
            fail(u, "something else follows the gzip input", false);
        return 0;
    }
    u->inside = true;
    z->next_in = (unsigned char *)u->in;
    z->avail_in = u->in_left < most ? (uInt)u->in_left : most;
    z->next_out = to;
    z->avail_out = n < most ? (uInt)n : most;
    code = inflate(z, Z_NO_FLUSH);
    u->in_left -= (size_t)(z->next_in - u->in);
    u->in = z->next_in;
    if (code == Z_STREAM_END) {
        u->inside = false;
        inflateReset(z);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
        fail(u, z->msg ? z->msg : "damaged gzip input", false);
    }
    return (size_t)(z->next_out - to);
}

/* xz and lzma. wrong: what to say of input that is cut, that is too large, that is damaged. */
static size_t step_lzma(struct unpack *u, unsigned char *to, size_t n, const char *const wrong[3])
{
    lzma_stream *x = &u->xz;
    bool more = fill(u);
    lzma_ret code;

    x->next_in = u->in;
    x->avail_in = u->in_left;
    x->next_out = to;
    x->avail_out = n;
    code = lzma_code(x, more ? LZMA_RUN : LZMA_FINISH);
    u->in = x->next_in;
    u->in_left = x->avail_in;
    if (code == LZMA_STREAM_END)
        u->done = true;
    else if (code == LZMA_BUF_ERROR && !more)
        fail(u, wrong[0], true);
    else if (code == LZMA_MEMLIMIT_ERROR)
        fail(u, wrong[1], false);
    else if (code != LZMA_OK)
        fail(u, wrong[2], false);
    return (size_t)(x->next_out - to);
}

static size_t step_zstd(struct unpack *u, unsigned char *to, size_t n)
{
    bool more = fill(u);
    ZSTD_inBuffer in = {u->in, u->in_left, 0};
    ZSTD_outBuffer out = {to, n, 0};
    size_t code;

    if (!more && !u->inside) {
        u->done = true;
        return 0;
    }
    code = ZSTD_decompressStream(u->zstd, &out, &in); /* without input: what it still holds */
    u->in_left -= in.pos;
    u->in = u->in ? u->in + in.pos : NULL;
    if (ZSTD_isError(code))
        fail(u, ZSTD_getErrorName(code), false);
    else if (!more && !out.pos)
        fail(u, "truncated zstd input", true);
    u->inside = code != 0;
    return out.pos;
}

static size_t step_xz(struct unpack *u, unsigned char *to, size_t n)
{
    static const char *const wrong[3] = {
        "truncated xz input", "xz input that needs more than 1 GiB to be read", "damaged xz input"};
    return step_lzma(u, to, n, wrong);
}

static size_t step_alone(struct unpack *u, unsigned char *to, size_t n)
{
    static const char *const wrong[3] = {
        "truncated lzma input", "lzma input that needs more than 1 GiB to be read", "damaged lzma input"};
    size_t got = step_lzma(u, to, n, wrong);

    if (u->done && !u->wrong && fill(u))
        fail(u, "something else follows the lzma input", false);
    return got;
}

/* ---- the methods: open returns false when there is no memory ---- */

static bool open_gzip(struct unpack *u)
{
    return inflateInit2(&u->gzip, 15 + 16) == Z_OK; /* any window, gzip's header and sum */
}

static void close_gzip(struct unpack *u)
{
    inflateEnd(&u->gzip);
}

static bool open_xz(struct unpack *u)
{
    return lzma_stream_decoder(&u->xz, UINT64_C(1) << 30, LZMA_CONCATENATED) == LZMA_OK;
}

static void close_xz(struct unpack *u)
{
    lzma_end(&u->xz);
}

static bool open_alone(struct unpack *u)
{
    return lzma_alone_decoder(&u->xz, UINT64_C(1) << 30) == LZMA_OK;
}

/* What liblzma and LZMA Utils write: lc 3, lp 0, pb 2; a dictionary of 2^n or 2^n + 2^(n-1) bytes; a length
 * that is unknown or below 256 GiB. */
static bool is_alone(const unsigned char *head, size_t n)
{
    uint32_t dictionary = n >= 13 ? get32(head + 1) : 0, rest = dictionary & (dictionary - 1);
    uint64_t length = n >= 13 ? get64(head + 5) : 0;

    return dictionary >= 4096 && (!rest || rest == dictionary / 3 * 2) &&
           (length + 1 == 0 || length >> 38 == 0);
}

static bool open_zstd(struct unpack *u)
{
    u->zstd = ZSTD_createDStream();
    return u->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, 30));
}

static void close_zstd(struct unpack *u)
{
    ZSTD_freeDStream(u->zstd);
}

static const struct method {
    const char *magic;
    size_t length;
    bool (*is)(const unsigned char *head, size_t n); /* is it one, of this beginning? NULL: yes */
    bool (*open)(struct unpack *u);
    size_t (*step)(struct unpack *u, unsigned char *to, size_t n);
    void (*close)(struct unpack *u);
} methods[] = {
    {"\x1f\x8b", 2, NULL, open_gzip, step_gzip, close_gzip},
    {"\xfd"
     "7zXZ",
     6, NULL, open_xz, step_xz, close_xz},
    {"\x5d\0\0", 3, is_alone, open_alone, step_alone, close_xz},
    {"\x28\xb5\x2f\xfd", 4, NULL, open_zstd, step_zstd, close_zstd},
};

static const struct method *method_of(const unsigned char *head, size_t n)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (n >= methods[i].length && !memcmp(head, methods[i].magic, methods[i].length) &&
            (!methods[i].is || methods[i].is(head, n)))
            return &methods[i];
    return NULL;
}

bool unpack_knows(const unsigned char *head, size_t n)
{
    return method_of(head, n) != NULL;
}

struct unpack *unpack_create(const unsigned char *head, size_t n, unpack_more *more, void *ctx)
{
    struct unpack *u = calloc(1, sizeof *u);

    if (!u)
        return NULL;
    u->more = more;
    u->ctx = ctx;
    u->method = method_of(head, n);
    if (!u->method->open(u)) {
        unpack_free(u);
        return NULL;
    }
    return u;
}

void unpack_free(struct unpack *u)
{
    if (u)
        u->method->close(u);
    free(u);
}

size_t unpack_read(struct unpack *u, void *to, size_t n)
{
    size_t got = 0;

    while (got < n && !u->done)
        got += u->method->step(u, (unsigned char *)to + got, n - got);
    return got;
}

const char *unpack_wrong(const struct unpack *u, bool *cut)
{
    *cut = u->cut;
    return u->wrong;
}
