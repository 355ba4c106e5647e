#ifndef SLUICE_CSCAN_H
#define SLUICE_CSCAN_H

// Looking for bytes sixteen at a time: one vector comparison and one mask, which Swift's own SIMD
// types come to as scalar code. Vector extensions of clang, so that it compiles for every CPU.
//
// Every function reads exactly the bytes its caller vouches for (16 from `bytes` on, or `count`) and
// returns a bit per byte that was looked for, the first byte's lowest.

#include <stddef.h>
#include <stdint.h>

#define SLUICE_SCAN static inline __attribute__((always_inline))

typedef uint8_t sluice_lanes __attribute__((vector_size(16)));

SLUICE_SCAN sluice_lanes sluice_lanes_load(const uint8_t *bytes) {
    sluice_lanes lanes;
    __builtin_memcpy(&lanes, bytes, sizeof lanes);
    return lanes;
}

SLUICE_SCAN sluice_lanes sluice_lanes_of(uint8_t byte) { return (sluice_lanes){0} + byte; }

/// A bit per lane that is not zero; the lanes are comparisons, all ones or all zeros.
SLUICE_SCAN uint32_t sluice_lanes_mask(sluice_lanes lanes) {
#if defined(__SSE2__)
    typedef char signed_lanes __attribute__((vector_size(16)));
    return (uint32_t)__builtin_ia32_pmovmskb128((signed_lanes)lanes);
#else
    uint32_t mask = 0;
    for (int i = 0; i < 16; i++) mask |= (uint32_t)(lanes[i] & 1) << i;
    return mask;
#endif
}

#define SLUICE_EQUAL(lanes, byte) ((sluice_lanes)((lanes) == sluice_lanes_of(byte)))
#define SLUICE_BELOW(lanes, bound) ((sluice_lanes)((lanes) < sluice_lanes_of(bound)))

/// Bytes that are `byte`.
SLUICE_SCAN uint32_t sluice_scan_equal(const uint8_t *bytes, uint8_t byte) {
    return sluice_lanes_mask(SLUICE_EQUAL(sluice_lanes_load(bytes), byte));
}

/// Bytes below `bound`.
SLUICE_SCAN uint32_t sluice_scan_below(const uint8_t *bytes, uint8_t bound) {
    return sluice_lanes_mask(SLUICE_BELOW(sluice_lanes_load(bytes), bound));
}

/// Control bytes of ASCII: below 0x20, and DEL.
SLUICE_SCAN uint32_t sluice_scan_controls(const uint8_t *bytes) {
    sluice_lanes lanes = sluice_lanes_load(bytes);
    return sluice_lanes_mask(SLUICE_BELOW(lanes, 0x20) | SLUICE_EQUAL(lanes, 0x7F));
}

/// What no request target may hold: controls, space, `#`, `\`, DEL and all beyond.
SLUICE_SCAN uint32_t sluice_scan_no_target(const uint8_t *bytes) {
    sluice_lanes lanes = sluice_lanes_load(bytes);
    sluice_lanes outside = SLUICE_BELOW(lanes - 0x21, 0x7F - 0x21);
    return sluice_lanes_mask(~outside | SLUICE_EQUAL(lanes, '#') | SLUICE_EQUAL(lanes, '\\'));
}

/// What is neither an ASCII letter nor a hyphen.
SLUICE_SCAN uint32_t sluice_scan_no_letter_or_hyphen(const uint8_t *bytes) {
    sluice_lanes lanes = sluice_lanes_load(bytes);
    sluice_lanes letters = SLUICE_BELOW((lanes | 0x20) - 'a', 26);
    return sluice_lanes_mask(~(letters | SLUICE_EQUAL(lanes, '-')));
}

/// What is not printable ASCII, and quote and backslash.
SLUICE_SCAN uint32_t sluice_scan_no_plain_text(const uint8_t *bytes) {
    sluice_lanes lanes = sluice_lanes_load(bytes);
    sluice_lanes printable = SLUICE_BELOW(lanes - 0x20, 0x7F - 0x20);
    return sluice_lanes_mask(~printable | SLUICE_EQUAL(lanes, '"') | SLUICE_EQUAL(lanes, '\\'));
}

SLUICE_SCAN sluice_lanes sluice_lanes_string_stops(sluice_lanes lanes) {
    typedef int8_t signed_lanes __attribute__((vector_size(16)));
    // Below a space or, being negative, beyond ASCII; with bit 1 turned, a quote is too.
    return (sluice_lanes)((signed_lanes)(lanes ^ 2) < (signed_lanes)sluice_lanes_of(0x21))
        | SLUICE_EQUAL(lanes, '\\');
}

/// Where a plain run in a JSON string ends: quote, backslash, controls below 0x20, not ASCII.
SLUICE_SCAN uint32_t sluice_scan_string_stops(const uint8_t *bytes) {
    return sluice_lanes_mask(sluice_lanes_string_stops(sluice_lanes_load(bytes)));
}

/// Bytes at the front, a multiple of 64, without a string stop among them.
SLUICE_SCAN size_t sluice_scan_string_run(const uint8_t *bytes, size_t count) {
    size_t offset = 0;
    for (; count - offset >= 64; offset += 64) {
        const uint8_t *at = bytes + offset;
        sluice_lanes stops = sluice_lanes_string_stops(sluice_lanes_load(at))
            | sluice_lanes_string_stops(sluice_lanes_load(at + 16))
            | sluice_lanes_string_stops(sluice_lanes_load(at + 32))
            | sluice_lanes_string_stops(sluice_lanes_load(at + 48));
        if (sluice_lanes_mask(stops) != 0) break;
    }
    return offset;
}

/// Quotes and backslashes.
SLUICE_SCAN uint32_t sluice_scan_quotes(const uint8_t *bytes) {
    sluice_lanes lanes = sluice_lanes_load(bytes);
    return sluice_lanes_mask(SLUICE_EQUAL(lanes, '"') | SLUICE_EQUAL(lanes, '\\'));
}

/// Bytes at the front, a multiple of 64, without a quote or backslash among them.
SLUICE_SCAN size_t sluice_scan_quotes_run(const uint8_t *bytes, size_t count) {
    size_t offset = 0;
    for (; count - offset >= 64; offset += 64) {
        sluice_lanes found = {0};
        for (int part = 0; part < 64; part += 16) {
            sluice_lanes lanes = sluice_lanes_load(bytes + offset + part);
            found |= SLUICE_EQUAL(lanes, '"') | SLUICE_EQUAL(lanes, '\\');
        }
        if (sluice_lanes_mask(found) != 0) break;
    }
    return offset;
}

/// What ends a run between the strings of JSON: quotes and all brackets.
SLUICE_SCAN uint32_t sluice_scan_structure(const uint8_t *bytes) {
    sluice_lanes lanes = sluice_lanes_load(bytes);
    sluice_lanes folded = lanes | 0x20;
    return sluice_lanes_mask(
        SLUICE_EQUAL(lanes, '"') | SLUICE_EQUAL(folded, '{') | SLUICE_EQUAL(folded, '}'));
}

#endif
