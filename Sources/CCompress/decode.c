#include "coder.h"

#include <stdlib.h>
#include <zstd_errors.h>

mrt_coder *mrt_decoder_new(mrt_coding coding, int max_window_log) {
    mrt_coder *coder = calloc(1, sizeof *coder);
    if (!coder) return NULL;
    coder->coding = coding;
    coder->decodes = true;
    coder->max_window_log = max_window_log;
    bool works = false;
    switch (coding) {
    case MRT_GZIP:
    case MRT_DEFLATE:
        // Nothing was made that would have to be freed.
        if (inflateInit2(&coder->zlib, MAX_WBITS + (coding == MRT_GZIP ? 16 : 0)) != Z_OK) return free(coder), NULL;
        return coder;
    case MRT_BROTLI:
        coder->brotli_decoder = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        works = coder->brotli_decoder != NULL;
        break;
    case MRT_ZSTD:
        coder->zstd_decoder = ZSTD_createDCtx();
        works = coder->zstd_decoder &&
                !ZSTD_isError(ZSTD_DCtx_setParameter(coder->zstd_decoder, ZSTD_d_windowLogMax, max_window_log));
        break;
    }
    if (works) return coder;
    mrt_coder_free(coder);
    return NULL;
}

bool mrt_decoder_takes_another(const mrt_coder *coder) {
    return coder->coding == MRT_GZIP || coder->coding == MRT_ZSTD;
}

// RFC 1952 section 2.3.1. zlib says so too, but only once it has both bytes: the first alone would pass for a member cut
// short.
static bool gzip_magic_fits(mrt_coder *coder, const uint8_t *in, size_t in_size) {
    static const uint8_t magic[] = {0x1F, 0x8B};
    for (size_t index = 0; index < in_size && coder->seen < 2; index++, coder->seen++) {
        if (in[index] != magic[coder->seen]) return false;
    }
    return true;
}

static mrt_outcome decode_zlib(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out,
                               size_t out_size, size_t *written) {
    if (coder->coding == MRT_GZIP && !gzip_magic_fits(coder, in, in_size)) return MRT_MALFORMED;
    z_stream *zlib = &coder->zlib;
    // zlib counts in 32 bits; what it does not take now the caller brings again.
    const uInt given = in_size > 1u << 30 ? 1u << 30 : (uInt)in_size;
    const uInt room = out_size > 1u << 30 ? 1u << 30 : (uInt)out_size;
    zlib->next_in = (Bytef *)in;
    zlib->avail_in = given;
    zlib->next_out = out;
    zlib->avail_out = room;
    const int result = inflate(zlib, Z_NO_FLUSH);
    *taken = given - zlib->avail_in;
    *written = room - zlib->avail_out;
    switch (result) {
    case Z_STREAM_END:
        coder->seen = 0;
        return inflateReset(zlib) == Z_OK ? MRT_ENDED : MRT_MALFORMED;
    case Z_OK:
    case Z_BUF_ERROR:
        // With the room used up there may be more of what was taken already.
        return zlib->avail_out == 0 || *taken < in_size ? MRT_FULL : MRT_HUNGRY;
    case Z_MEM_ERROR: return MRT_NO_MEMORY;
    default: return MRT_MALFORMED;
    }
}

// RFC 7932 section 9.1: the window's size is in the first seven bits.
static int brotli_window_log(uint8_t first) {
    if (!(first & 1)) return 16;
    const int large = first >> 1 & 7;
    if (large) return 17 + large;
    const int small = first >> 4 & 7;
    return small ? 8 + small : 17;
}

static mrt_outcome decode_brotli(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out,
                                 size_t out_size, size_t *written) {
    if (coder->seen == 0 && in_size > 0) {
        if (brotli_window_log(*(const uint8_t *)in) > coder->max_window_log) return MRT_WINDOW;
        coder->seen = 1;
    }
    const uint8_t *next_in = in;
    uint8_t *next_out = out;
    size_t left = in_size, room = out_size;
    const BrotliDecoderResult result =
        BrotliDecoderDecompressStream(coder->brotli_decoder, &left, &next_in, &room, &next_out, NULL);
    *taken = in_size - left;
    *written = out_size - room;
    switch (result) {
    case BROTLI_DECODER_RESULT_SUCCESS: return MRT_ENDED;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: return MRT_HUNGRY;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: return MRT_FULL;
    case BROTLI_DECODER_RESULT_ERROR: break;
    }
    const BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(coder->brotli_decoder);
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
               ? MRT_NO_MEMORY
               : MRT_MALFORMED;
}

// RFC 8878 section 3.1: every frame begins with one of two magic numbers. The library may also read the formats it had
// before it was finished; nobody needs their decoders on an open port.
static bool zstd_magic_fits(mrt_coder *coder, const uint8_t *in, size_t in_size) {
    static const uint8_t frame[] = {0x28, 0xB5, 0x2F, 0xFD}, skippable[] = {0x50, 0x2A, 0x4D, 0x18};
    for (size_t index = 0; index < in_size && coder->seen < 4; index++, coder->seen++) {
        if (coder->seen == 0) coder->skippable = (in[index] & 0xF0) == 0x50;
        const uint8_t byte = coder->seen == 0 && coder->skippable ? 0x50 : in[index];
        if (byte != (coder->skippable ? skippable : frame)[coder->seen]) return false;
    }
    return true;
}

static mrt_outcome decode_zstd(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out,
                               size_t out_size, size_t *written) {
    if (!zstd_magic_fits(coder, in, in_size)) return MRT_MALFORMED;
    ZSTD_inBuffer from = {in, in_size, 0};
    ZSTD_outBuffer to = {out, out_size, 0};
    size_t left = 0;
    do {
        left = ZSTD_decompressStream(coder->zstd_decoder, &to, &from);
    } while (!ZSTD_isError(left) && left > 0 && from.pos < from.size && to.pos < to.size);
    *taken = from.pos;
    *written = to.pos;
    if (!ZSTD_isError(left)) {
        if (left == 0) {
            coder->seen = 0;
            return MRT_ENDED;
        }
        return to.pos == to.size ? MRT_FULL : MRT_HUNGRY;
    }
    switch (ZSTD_getErrorCode(left)) {
    case ZSTD_error_frameParameter_windowTooLarge: return MRT_WINDOW;
    case ZSTD_error_memory_allocation: return MRT_NO_MEMORY;
    default: return MRT_MALFORMED;
    }
}

mrt_outcome mrt_decode(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out, size_t out_size,
                       size_t *written) {
    *taken = 0;
    *written = 0;
    if (!coder->decodes) return MRT_MALFORMED;
    switch (coder->coding) {
    case MRT_GZIP:
    case MRT_DEFLATE: return decode_zlib(coder, in, in_size, taken, out, out_size, written);
    case MRT_BROTLI: return decode_brotli(coder, in, in_size, taken, out, out_size, written);
    case MRT_ZSTD: return decode_zstd(coder, in, in_size, taken, out, out_size, written);
    }
    return MRT_MALFORMED;
}
