// Streams of the content codings of HTTP, over the system's zlib, brotli and zstd, with one face for all of them: bytes
// in, bytes out, and what became of it. The libraries' own faces are structs of raw pointers, error codes and macros that
// would need unsafe code at every use in Swift.
#ifndef CCOMPRESS_H
#define CCOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mrt_coding {
    MRT_GZIP,     // RFC 1952
    MRT_DEFLATE,  // RFC 1950: "deflate" of HTTP is a zlib stream; a bare one (RFC 1951) is malformed here
    MRT_BROTLI,   // RFC 7932
    MRT_ZSTD,     // RFC 8878
} mrt_coding;

typedef enum mrt_push {
    MRT_GO_ON,   // keep what compresses better with what follows
    MRT_FLUSH,   // everything that went in comes out
    MRT_FINISH,  // and the stream ends
} mrt_push;

typedef enum mrt_outcome {
    MRT_HUNGRY,        // the input is taken, and what was asked for is done
    MRT_FULL,          // there is more to come: call again with more room, the input's rest and the same push
    MRT_ENDED,         // end of the stream; when decoding, of one member or frame: input may be left
    MRT_MALFORMED,     // the input is no such stream
    MRT_WINDOW,        // the input asks for a larger window than is allowed
    MRT_NO_MEMORY,
} mrt_outcome;

typedef struct mrt_coder mrt_coder;

// `level` and `window_log` must be within the library's bounds; NULL when they are not, or without memory. Decoding is
// not possible with the result.
mrt_coder *mrt_encoder_new(mrt_coding coding, int level, int window_log);

// Windows of more than 2 to the `max_window_log` bytes are refused. gzip and deflate never have more than 32 KiB.
mrt_coder *mrt_decoder_new(mrt_coding coding, int max_window_log);

void mrt_coder_free(mrt_coder *coder);

// Makes a coder ready for another stream, with the window given; an encoder's gzip window stays as it was made. False when
// the library cannot: the coder must be freed.
bool mrt_coder_reset(mrt_coder *coder, int window_log);

// Moves bytes. `*taken` and `*written` say how many; both are set whatever the outcome. `out` must have room for seven
// bytes at least.
mrt_outcome mrt_encode(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out, size_t out_size,
                       size_t *written, mrt_push push);
mrt_outcome mrt_decode(mrt_coder *coder, const void *in, size_t in_size, size_t *taken, void *out, size_t out_size,
                       size_t *written);

// Whether further members or frames may follow the end of one.
bool mrt_decoder_takes_another(const mrt_coder *coder);

#endif
