/*
 * unpack.c: gzip by zlib, zstd by libzstd. Several members or frames behind each other are one stream; what
 * follows the last gzip member and is none is ignored, as gzip does. Leaves out dictionaries.
 */
#include "unpack.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct unpack {
    unpack_more *more;
    void *ctx;
    ZSTD_DStream *zstd; /* NULL: gzip */
    z_stream gzip;
    const unsigned char *in; /* packed bytes not yet taken */
    size_t in_left;
    bool in_ended; /* there are no more */
    bool inside;   /* of a member or frame */
    bool done;
    bool cut;
    const char *wrong;
};

bool unpack_knows(const unsigned char *head, size_t n)
{
    return n >= 4 && ((head[0] == 0x1f && head[1] == 0x8b) || !memcmp(head, "\x28\xb5\x2f\xfd", 4));
}

struct unpack *unpack_create(const unsigned char *head, size_t n, unpack_more *more, void *ctx)
{
    struct unpack *u = calloc(1, sizeof *u);
    bool is_gzip = n && head[0] == 0x1f, made;

    if (!u)
        return NULL;
    u->more = more;
    u->ctx = ctx;
    if (is_gzip) {
        made = inflateInit2(&u->gzip, 15 + 16) == Z_OK; /* any window, gzip's header and sum */
    } else {
        u->zstd = ZSTD_createDStream();
        made = u->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, 31));
    }
    if (!made) {
        unpack_free(u);
        return NULL;
    }
    return u;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    if (u->zstd)
        ZSTD_freeDStream(u->zstd);
    else
        inflateEnd(&u->gzip);
    free(u);
}

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
        u->done = true;
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

size_t unpack_read(struct unpack *u, void *to, size_t n)
{
    size_t got = 0;

    while (got < n && !u->done)
        got += (u->zstd ? step_zstd : step_gzip)(u, (unsigned char *)to + got, n - got);
    return got;
}

const char *unpack_wrong(const struct unpack *u, bool *cut)
{
    *cut = u->cut;
    return u->wrong;
}
