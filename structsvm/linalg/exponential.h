/* exp and log without branches or calls: compilers vectorise loops that use them, and the bits depend
 * on no library or CPU. In C because such loops are in C.
 *
 * The error of both is a few units in the last place. */
#ifndef SSVM_EXPONENTIAL_H
#define SSVM_EXPONENTIAL_H

#include <math.h>
#include <string.h>

#include "clones.h"

SSVM_INLINE uint64_t ssvm_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

SSVM_INLINE double ssvm_from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* exp(x) for x <= 0; exactly 1 at 0, and 0 below -708 where the result would be subnormal. */
SSVM_INLINE double ssvm_exp(double x)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    const double clamped = x > -708.0 ? x : -708.0;
    const double shifted = clamped * 1.4426950408889634 + magic;
    const double k = shifted - magic;
    /* log(2) in two pieces: k times the first is exact. */
    const double r = (clamped - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double p = 1.0 / 479001600.0; /* the Taylor series; |r| <= log(2) / 2 */
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    /* times 2^k: the low bits of `shifted` are those of k */
    const double scaled = ssvm_from_bits(ssvm_bits(p) + (ssvm_bits(shifted) << 52));
    return x > -708.0 ? scaled : 0.0;
}

/* log(x) for normal x > 0. */
SSVM_INLINE double ssvm_log(double x)
{
    const uint64_t half_root = 0x3FE6A09E667F3BCDu; /* sqrt(1/2): mantissas from there to sqrt(2) */
    const uint64_t lifted = ssvm_bits(x) + (0x3FF0000000000000u - half_root);
    const uint64_t mantissa = (lifted & 0x000FFFFFFFFFFFFFu) + half_root;
    /* the exponent as a double, through the mantissa of 2^52 */
    const double exponent
        = ssvm_from_bits((lifted >> 52) | 0x4330000000000000u) - (4503599627370496.0 + 1023.0);
    const double m = ssvm_from_bits(mantissa);
    const double s = (m - 1.0) / (m + 1.0), t = s * s;
    double p = 1.0 / 21.0; /* log(m) = 2 artanh(s) */
    p = p * t + 1.0 / 19.0;
    p = p * t + 1.0 / 17.0;
    p = p * t + 1.0 / 15.0;
    p = p * t + 1.0 / 13.0;
    p = p * t + 1.0 / 11.0;
    p = p * t + 1.0 / 9.0;
    p = p * t + 1.0 / 7.0;
    p = p * t + 1.0 / 5.0;
    p = p * t + 1.0 / 3.0;
    p = p * t;
    return exponent * 6.93147180369123816490e-01
        + (exponent * 1.90821492927058770002e-10 + (2.0 * s * p + 2.0 * s));
}

/* out = exp(-x) for n numbers x >= 0; NaN stays NaN. */
SSVM_CLONES SSVM_UNUSED static void ssvm_decay(const double *x, ptrdiff_t n, double *out)
{
    for (ptrdiff_t j = 0; j < n; ++j) {
        const double value = ssvm_exp(-x[j]);
        out[j] = x[j] == x[j] ? value : x[j];
    }
}

#endif
