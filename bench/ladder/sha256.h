/* HMAC-SHA256 (RFC 2104, FIPS 180-4) for the handshake: a few blocks a login, so written for brevity. */
#ifndef LADDER_SHA256_H
#define LADDER_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

/* mac may be the same memory as key; count is at most 191 (label, two nonces and the proven part of a welcome are 101). */
void hmac_sha256(const uint8_t key[SHA256_BYTES], const uint8_t *message, size_t count, uint8_t mac[SHA256_BYTES]);

#endif
