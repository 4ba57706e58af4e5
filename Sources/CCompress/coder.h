// What encode.c and decode.c share.
#ifndef MRT_CODER_H
#define MRT_CODER_H

#include "CCompress.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

struct mrt_coder {
    mrt_coding coding;
    bool decodes;
    int level;
    int max_window_log;
    // Bytes of the present stream or frame that the checks of a decoder have looked at, 4 at most.
    int seen;
    bool skippable;
    union {
        z_stream zlib;
        BrotliEncoderState *brotli_encoder;
        BrotliDecoderState *brotli_decoder;
        ZSTD_CCtx *zstd_encoder;
        ZSTD_DCtx *zstd_decoder;
    };
};

#endif
