#include "coder.h"

#include <stdlib.h>

// zlib's default: 128 KiB of hash chains beside the window's 64 KiB and as much for symbols.
static const int zlib_memory_level = 8;

static bool start_brotli(mrt_coder *coder, int window_log) {
    // Brotli itself looks at its parameters only later, and corrects them.
    if (coder->level < BROTLI_MIN_QUALITY || coder->level > BROTLI_MAX_QUALITY) return false;
    if (window_log < BROTLI_MIN_WINDOW_BITS || window_log > BROTLI_MAX_WINDOW_BITS) return false;
    coder->brotli_encoder = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!coder->brotli_encoder) return false;
    return BrotliEncoderSetParameter(coder->brotli_encoder, BROTLI_PARAM_QUALITY, (uint32_t)coder->level) &&
           BrotliEncoderSetParameter(coder->brotli_encoder, BROTLI_PARAM_LGWIN, (uint32_t)window_log);
}

static bool set_zstd(mrt_coder *coder, int window_log) {
    ZSTD_CCtx *context = coder->zstd_encoder;
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, coder->level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log));
}

mrt_coder *mrt_encoder_new(mrt_coding coding, int level, int window_log) {
    mrt_coder *coder = calloc(1, sizeof *coder);
    if (!coder) return NULL;
    coder->coding = coding;
    coder->level = level;
    bool works = false;
    switch (coding) {
    case MRT_GZIP:
    case MRT_DEFLATE:
        works = deflateInit2(&coder->zlib, level, Z_DEFLATED, window_log + (coding == MRT_GZIP ? 16 : 0),
                             zlib_memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
        // Nothing was made that would have to be freed.
        if (!works) return free(coder), NULL;
        break;
    case MRT_BROTLI: works = start_brotli(coder, window_log); break;
    case MRT_ZSTD:
        coder->zstd_encoder = ZSTD_createCCtx();
        works = coder->zstd_encoder && set_zstd(coder, window_log);
        break;
    }
    if (works) return coder;
    mrt_coder_free(coder);
    return NULL;
}

void mrt_coder_free(mrt_coder *coder) {
    if (!coder) return;
    switch (coder->coding) {
    case MRT_GZIP:
    case MRT_DEFLATE:
        if (coder->decodes) {
            inflateEnd(&coder->zlib);
        } else {
            deflateEnd(&coder->zlib);
        }
        break;
    case MRT_BROTLI:
        // Brotli's do not take NULL.
        if (coder->decodes && coder->brotli_decoder) BrotliDecoderDestroyInstance(coder->brotli_decoder);
        if (!coder->decodes && coder->brotli_encoder) BrotliEncoderDestroyInstance(coder->brotli_encoder);
        break;
    case MRT_ZSTD:
        if (coder->decodes) {
            ZSTD_freeDCtx(coder->zstd_decoder);
        } else {
            ZSTD_freeCCtx(coder->zstd_encoder);
        }
        break;
    }
    free(coder);
}

bool mrt_coder_reset(mrt_coder *coder, int window_log) {
    coder->seen = 0;
    switch (coder->coding) {
    case MRT_GZIP:
    case MRT_DEFLATE: return (coder->decodes ? inflateReset(&coder->zlib) : deflateReset(&coder->zlib)) == Z_OK;
    case MRT_BROTLI: return false;
    case MRT_ZSTD:
        if (coder->decodes) return !ZSTD_isError(ZSTD_DCtx_reset(coder->zstd_decoder, ZSTD_reset_session_only));
        return !ZSTD_isError(ZSTD_CCtx_reset(coder->zstd_encoder, ZSTD_reset_session_only)) &&
               set_zstd(coder, window_log);
    }
    return false;
}

static mrt_outcome encode_zlib(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out,
                               size_t out_size, size_t *written, mrt_push push) {
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    z_stream *zlib = &coder->zlib;
    // zlib counts in 32 bits; what it does not take now the caller brings again.
    const uInt room = out_size > 1u << 30 ? 1u << 30 : (uInt)out_size;
    const bool is_cut = in_size > 1u << 30;
    zlib->next_in = (Bytef *)in;
    zlib->avail_in = is_cut ? 1u << 30 : (uInt)in_size;
    zlib->next_out = out;
    zlib->avail_out = room;
    const uInt given = zlib->avail_in;
    const int result = deflate(zlib, is_cut ? Z_NO_FLUSH : flushes[push]);
    *taken = given - zlib->avail_in;
    *written = room - zlib->avail_out;
    if (result == Z_STREAM_END) return MRT_ENDED;
    // Z_BUF_ERROR: there was nothing to do.
    if (result != Z_OK && result != Z_BUF_ERROR) return MRT_MALFORMED;
    return zlib->avail_out == 0 || zlib->avail_in > 0 || is_cut ? MRT_FULL : MRT_HUNGRY;
}

static mrt_outcome encode_brotli(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out,
                                 size_t out_size, size_t *written, mrt_push push) {
    static const BrotliEncoderOperation operations[] = {BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
                                                        BROTLI_OPERATION_FINISH};
    const uint8_t *next_in = in;
    uint8_t *next_out = out;
    size_t left = in_size, room = out_size;
    const bool works = BrotliEncoderCompressStream(coder->brotli_encoder, operations[push], &left, &next_in, &room,
                                                   &next_out, NULL);
    *taken = in_size - left;
    *written = out_size - room;
    if (!works) return MRT_NO_MEMORY;
    if (BrotliEncoderIsFinished(coder->brotli_encoder)) return MRT_ENDED;
    return left > 0 || BrotliEncoderHasMoreOutput(coder->brotli_encoder) ? MRT_FULL : MRT_HUNGRY;
}

static mrt_outcome encode_zstd(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out,
                               size_t out_size, size_t *written, mrt_push push) {
    static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
    ZSTD_inBuffer from = {in, in_size, 0};
    ZSTD_outBuffer to = {out, out_size, 0};
    size_t left = 0;
    do {
        left = ZSTD_compressStream2(coder->zstd_encoder, &to, &from, directives[push]);
    } while (!ZSTD_isError(left) && to.pos < to.size && (from.pos < from.size || (push != MRT_GO_ON && left > 0)));
    *taken = from.pos;
    *written = to.pos;
    if (ZSTD_isError(left)) return MRT_NO_MEMORY;
    // While it goes on, `left` is only a hint of how much would be welcome.
    if (from.pos < from.size || (push != MRT_GO_ON && left > 0)) return MRT_FULL;
    return push == MRT_FINISH ? MRT_ENDED : MRT_HUNGRY;
}

mrt_outcome mrt_encode(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out, size_t out_size,
                       size_t *written, mrt_push push) {
    *taken = 0;
    *written = 0;
    if (coder->decodes) return MRT_MALFORMED;
    switch (coder->coding) {
    case MRT_GZIP:
    case MRT_DEFLATE: return encode_zlib(coder, in, in_size, taken, out, out_size, written, push);
    case MRT_BROTLI: return encode_brotli(coder, in, in_size, taken, out, out_size, written, push);
    case MRT_ZSTD: return encode_zstd(coder, in, in_size, taken, out, out_size, written, push);
    }
    return MRT_MALFORMED;
}
