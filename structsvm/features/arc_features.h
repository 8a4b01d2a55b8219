/* Features of arcs by templates, hashed: where their weights stand.
 *
 * A token is a row of attributes, 64-bit hashes of its word, its tag and so on. A template names
 * attributes of the tokens that take part: the head h, the modifier m, a sibling s between them, the
 * grandparent g. The attributes of each role make one hash, and the sum of those of all roles, cut to its
 * highest bits, is the line of the table of weights that this feature has. So whatever depends on one
 * token alone is computed once a token, and an arc costs an addition and a look-up a template.
 *
 * A line holds SSVM_LINE weights, for directions and distances of the part; the two that one part uses
 * are in the same half, which is as long as a line of the cache. */
#ifndef SSVM_ARC_FEATURES_H
#define SSVM_ARC_FEATURES_H

#include <stdint.h>
#include <string.h>

#include "structsvm/linalg/clones.h"

enum {
    SSVM_LINE = 16,
    SSVM_MARGIN = 3, /* rows before the root and after the last token, for neighbours of tokens */
    SSVM_FAR = 6     /* the last bin of distances */
};

/* Attributes of a token, in the order of a row. */
enum {
    SSVM_WORD,
    SSVM_TAG,
    SSVM_LOWER,
    SSVM_PREFIX,
    SSVM_SUFFIX,
    SSVM_ENDING,
    SSVM_SHAPE,
    SSVM_ATTRIBUTES
};

/* Who takes part; between: each distinct tag between head and modifier. */
enum { SSVM_HEAD, SSVM_MODIFIER, SSVM_SIBLING, SSVM_GRANDPARENT, SSVM_BETWEEN, SSVM_ROLES };

/* What is told of the tokens between head and modifier; 0: nothing. */
enum {
    SSVM_SET = 1,
    SSVM_ALL_COUNTS,
    SSVM_VERBS,
    SSVM_PUNCTUATION,
    SSVM_CONJUNCTIONS,
    SSVM_CONTEXTS
};

/* Kinds of tokens that are counted, as bits. */
enum { SSVM_IS_VERB = 1, SSVM_IS_PUNCTUATION = 2, SSVM_IS_CONJUNCTION = 4 };

/* Templates of the same roles. */
typedef struct {
    int32_t n;
    const int32_t *start;     /* (n * SSVM_ROLES + 1,): the atoms of each template and role */
    const int32_t *place;     /* of each atom: offset * SSVM_ATTRIBUTES + attribute */
    const uint64_t *factor;   /* of each atom, odd */
    const uint64_t *salt;     /* (n * SSVM_ROLES,) */
    const int32_t *context;   /* (n,) */
} ssvm_templates;

SSVM_INLINE uint64_t ssvm_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

/* The hash of one role of a template; 0 if it has no part in it. token IN: its row, with the rows around
 * it. */
SSVM_INLINE uint64_t ssvm_role_key(const ssvm_templates *ts, ptrdiff_t k, int role,
                                   const uint64_t *token)
{
    const ptrdiff_t at = k * SSVM_ROLES + role;
    const int32_t first = ts->start[at], stop = ts->start[at + 1];
    uint64_t key = ts->salt[at];
    if (first == stop)
        return 0;
    for (int32_t a = first; a < stop; ++a)
        key += token[ts->place[a]] * ts->factor[a];
    return ssvm_mix(key);
}

/* columns OUT (n_tokens, ts->n): the hashes of a role for each token, rows IN: those of the first. */
static void ssvm_role_keys(const ssvm_templates *ts, int role, const uint64_t *rows,
                           ptrdiff_t n_tokens, uint64_t *columns)
{
    for (ptrdiff_t t = 0; t < n_tokens; ++t)
        for (ptrdiff_t k = 0; k < ts->n; ++k)
            columns[t * ts->n + k] = ssvm_role_key(ts, k, role, rows + t * SSVM_ATTRIBUTES);
}

SSVM_INLINE ptrdiff_t ssvm_distance(ptrdiff_t a, ptrdiff_t b) { return a < b ? b - a : a - b; }

/* Distances 1, 2, 3, 4, 5, 6 to 10, and more. */
SSVM_INLINE ptrdiff_t ssvm_bin(ptrdiff_t distance)
{
    return distance <= 5 ? distance - 1 : distance <= 10 ? SSVM_FAR - 1 : SSVM_FAR;
}

/* The two weights of a line that a part uses. Of arcs and siblings: by direction, and by direction and
 * distance, of a sibling to the next one. */
typedef struct {
    ptrdiff_t all, near;
} ssvm_slots;

SSVM_INLINE ssvm_slots ssvm_arc_slots(ptrdiff_t h, ptrdiff_t m)
{
    const ptrdiff_t half = h < m ? SSVM_LINE / 2 : 0;
    const ssvm_slots slots = {half, half + 1 + ssvm_bin(ssvm_distance(h, m))};
    return slots;
}

SSVM_INLINE ssvm_slots ssvm_sibling_slots(ptrdiff_t h, ptrdiff_t s, ptrdiff_t m)
{
    const ptrdiff_t half = h < m ? SSVM_LINE / 2 : 0;
    const ssvm_slots slots = {half, half + 1 + ssvm_bin(ssvm_distance(s, m))};
    return slots;
}

/* Of grandparents: by both directions; a quarter of a line, with three bins of distances of h and m. Pairs
 * without h use the first quarter, a weight for both directions. */
SSVM_INLINE ptrdiff_t ssvm_turn(ptrdiff_t g, ptrdiff_t h, ptrdiff_t m)
{
    return (g < h) + 2 * (h < m);
}

SSVM_INLINE ssvm_slots ssvm_grandparent_slots(ptrdiff_t g, ptrdiff_t h, ptrdiff_t m)
{
    const ptrdiff_t first = ssvm_turn(g, h, m) * (SSVM_LINE / 4), d = ssvm_distance(h, m);
    const ssvm_slots slots = {first, first + (d == 1 ? 1 : d < 5 ? 2 : 3)};
    return slots;
}

/* What lies between two tokens, as the second moves away from the first. */
typedef struct {
    int32_t *tags;     /* tokens whose tags differ from those before, in their order */
    ptrdiff_t n_tags;
    uint64_t set;
    int32_t verbs, punctuation, conjunctions;
} ssvm_between;

SSVM_INLINE void ssvm_between_add(ssvm_between *b, const uint64_t *rows, const uint8_t *kinds,
                                  ptrdiff_t t)
{
    const uint64_t tag = rows[t * SSVM_ATTRIBUTES + SSVM_TAG];
    ptrdiff_t k = 0;
    b->verbs += (kinds[t] & SSVM_IS_VERB) != 0;
    b->punctuation += (kinds[t] & SSVM_IS_PUNCTUATION) != 0;
    b->conjunctions += (kinds[t] & SSVM_IS_CONJUNCTION) != 0;
    while (k < b->n_tags && rows[b->tags[k] * SSVM_ATTRIBUTES + SSVM_TAG] != tag)
        ++k;
    if (k < b->n_tags)
        return;
    b->tags[b->n_tags++] = (int32_t)t;
    b->set += ssvm_mix(tag);
}

SSVM_INLINE uint64_t ssvm_capped(int32_t count, int32_t most)
{
    return (uint64_t)(count < most ? count : most);
}

/* keys OUT (SSVM_CONTEXTS,) */
SSVM_INLINE void ssvm_context_keys(const ssvm_between *b, uint64_t *keys)
{
    const uint64_t v = ssvm_capped(b->verbs, 3), p = ssvm_capped(b->punctuation, 3),
                   c = ssvm_capped(b->conjunctions, 2);
    keys[0] = 0;
    keys[SSVM_SET] = ssvm_mix(b->set + SSVM_SET);
    keys[SSVM_ALL_COUNTS] = ssvm_mix(1000 + v + 4 * p + 16 * c);
    keys[SSVM_VERBS] = ssvm_mix(2000 + v);
    keys[SSVM_PUNCTUATION] = ssvm_mix(3000 + p);
    keys[SSVM_CONJUNCTIONS] = ssvm_mix(4000 + c);
}

/* The hash of the role of a sibling that is not there. */
SSVM_INLINE uint64_t ssvm_no_sibling_key(const ssvm_templates *ts, ptrdiff_t k)
{
    const ptrdiff_t at = k * SSVM_ROLES + SSVM_SIBLING;
    return ts->start[at] == ts->start[at + 1] ? 0 : ssvm_mix(~ts->salt[at]);
}

/* Templates by who takes part, and which parts there are. */
typedef struct {
    ssvm_templates head, modifier, arc, around; /* around: arcs, and what lies between */
    ssvm_templates next, sibling;               /* sibling and modifier; these and the head */
    ssvm_templates far, grandparent;            /* grandparent and modifier; these and the head */
    int32_t order;       /* 1: arcs; 2: siblings too; 3: grandparents too */
    int32_t single_root; /* only the first child of the root needs a score */
    int32_t nested;      /* a grandparent is never between head and modifier */
    int32_t shift;       /* 64 less the bits of a line's number */
} ssvm_tree_features;

/* Doubles of scratch space for a sentence of n tokens. */
static int64_t ssvm_tree_room(const ssvm_tree_features *f, int64_t n)
{
    const int64_t n_keys = f->head.n + f->modifier.n + 2 * f->arc.n + 3 * f->around.n
                           + 2 * f->next.n + 3 * f->sibling.n + 2 * f->far.n + 3 * f->grandparent.n;
    return (n + 2) * (n_keys + 2 * SSVM_LINE + 1) + (n + 1) * (n + 1) * (f->order - 1) * 2
           + f->arc.n + f->sibling.n + f->grandparent.n;
}

/* Sum of the two weights of a part in the lines of n templates; a, b: hashes of who takes part. */
SSVM_INLINE double ssvm_two_weights(const double *w, const uint64_t *a, const uint64_t *b,
                                    ptrdiff_t n, int shift, ssvm_slots slots)
{
    const double *all = w + slots.all, *near = w + slots.near;
    double x = 0.0, y = 0.0;
    for (ptrdiff_t k = 0; k < n; ++k) {
        const size_t line = (size_t)((a[k] + b[k]) >> shift) * SSVM_LINE;
        x += all[line];
        y += near[line];
    }
    return x + y;
}

/* Takes space for the hashes of a role of tokens 0 to n, and fills it. */
static uint64_t *ssvm_take_keys(const ssvm_templates *ts, int role, const uint64_t *rows, ptrdiff_t n,
                                uint64_t **room)
{
    uint64_t *keys = *room;
    ssvm_role_keys(ts, role, rows, n + 1, keys);
    *room += (n + 2) * ts->n;
    return keys;
}

/* sums OUT (n + 1, SSVM_LINE): the lines of templates of one role added up. */
SSVM_CLONES static void ssvm_sum_lines(const ssvm_tree_features *f, const ssvm_templates *ts, int role,
                                       const uint64_t *rows, ptrdiff_t n, const double *w,
                                       double *sums)
{
    for (ptrdiff_t t = 0; t <= n; ++t) {
        double *sum = sums + t * SSVM_LINE;
        memset(sum, 0, SSVM_LINE * sizeof(double));
        for (ptrdiff_t k = 0; k < ts->n; ++k) {
            const uint64_t key = ssvm_role_key(ts, k, role, rows + t * SSVM_ATTRIBUTES);
            const double *line = w + (size_t)(key >> f->shift) * SSVM_LINE;
            for (int s = 0; s < SSVM_LINE; ++s)
                sum[s] += line[s];
        }
    }
}

SSVM_INLINE double ssvm_two_of_line(const double *line, ssvm_slots slots)
{
    return line[slots.all] + line[slots.near];
}

/* scores OUT (n + 1, n): of head h and modifier m at [h, m - 1]; those of h == m are 0.
 * rows, kinds IN: those of the root, with SSVM_MARGIN rows before it and after the last token. */
SSVM_CLONES static void ssvm_arc_scores(const ssvm_tree_features *f, const uint64_t *rows,
                                        const uint8_t *kinds, ptrdiff_t n, const double *w,
                                        double scale, double *scores, uint64_t *room)
{
    double *of_head = (double *)room, *of_modifier = of_head + (n + 2) * SSVM_LINE;
    uint64_t contexts[SSVM_CONTEXTS];
    ssvm_between b;
    room = (uint64_t *)(of_modifier + (n + 2) * SSVM_LINE);
    b.tags = (int32_t *)room;
    room += n + 2;
    const uint64_t *h_arc = ssvm_take_keys(&f->arc, SSVM_HEAD, rows, n, &room);
    const uint64_t *m_arc = ssvm_take_keys(&f->arc, SSVM_MODIFIER, rows, n, &room);
    const uint64_t *h_around = ssvm_take_keys(&f->around, SSVM_HEAD, rows, n, &room);
    const uint64_t *m_around = ssvm_take_keys(&f->around, SSVM_MODIFIER, rows, n, &room);
    const uint64_t *b_around = ssvm_take_keys(&f->around, SSVM_BETWEEN, rows, n, &room);
    const ptrdiff_t n_arc = f->arc.n, n_around = f->around.n;
    ssvm_sum_lines(f, &f->head, SSVM_HEAD, rows, n, w, of_head);
    ssvm_sum_lines(f, &f->modifier, SSVM_MODIFIER, rows, n, w, of_modifier);
    for (ptrdiff_t t = 1; t <= n; ++t)
        scores[t * n + t - 1] = 0.0;
    for (ptrdiff_t low = 0; low < n; ++low) {
        b.n_tags = 0;
        b.set = 0;
        b.verbs = b.punctuation = b.conjunctions = 0;
        for (ptrdiff_t high = low + 1; high <= n; ++high) {
            if (high > low + 1)
                ssvm_between_add(&b, rows, kinds, high - 1);
            ssvm_context_keys(&b, contexts);
            for (int right = low == 0; right < 2; ++right) {
                const ptrdiff_t h = right ? low : high, m = right ? high : low;
                const ssvm_slots slots = ssvm_arc_slots(h, m);
                const uint64_t *kh = h_around + h * n_around, *km = m_around + m * n_around;
                double x = ssvm_two_of_line(of_head + h * SSVM_LINE, slots)
                           + ssvm_two_of_line(of_modifier + m * SSVM_LINE, slots);
                x += ssvm_two_weights(w, h_arc + h * n_arc, m_arc + m * n_arc, n_arc, f->shift, slots);
                for (ptrdiff_t k = 0; k < n_around; ++k) {
                    const uint64_t key = kh[k] + km[k] + contexts[f->around.context[k]];
                    const ptrdiff_t at = k * SSVM_ROLES + SSVM_BETWEEN;
                    if (f->around.start[at] == f->around.start[at + 1]) {
                        x += ssvm_two_of_line(w + (size_t)(key >> f->shift) * SSVM_LINE, slots);
                        continue;
                    }
                    for (ptrdiff_t c = 0; c < b.n_tags; ++c) {
                        const uint64_t all = key + b_around[b.tags[c] * n_around + k];
                        x += ssvm_two_of_line(w + (size_t)(all >> f->shift) * SSVM_LINE, slots);
                    }
                }
                scores[h * n + m - 1] = scale * x;
            }
        }
    }
}

/* scores OUT (n + 1, n, n + 1): of head, modifier and the next sibling inwards at [h, m - 1, s], where s ==
 * h: none; those that cannot be are 0. */
SSVM_CLONES static void ssvm_sibling_scores(const ssvm_tree_features *f, const uint64_t *rows,
                                            ptrdiff_t n, const double *w, double scale,
                                            double *scores, uint64_t *room)
{
    double *pair = (double *)room;
    const ptrdiff_t n_next = f->next.n, size = f->sibling.n;
    room += (n + 1) * (n + 1);
    const uint64_t *s_next = ssvm_take_keys(&f->next, SSVM_SIBLING, rows, n, &room);
    const uint64_t *m_next = ssvm_take_keys(&f->next, SSVM_MODIFIER, rows, n, &room);
    const uint64_t *h_keys = ssvm_take_keys(&f->sibling, SSVM_HEAD, rows, n, &room);
    const uint64_t *m_keys = ssvm_take_keys(&f->sibling, SSVM_MODIFIER, rows, n, &room);
    uint64_t *s_keys = ssvm_take_keys(&f->sibling, SSVM_SIBLING, rows, n, &room);
    uint64_t *none = s_keys + (n + 1) * size, *both = room;
    memset(scores, 0, (size_t)(n + 1) * n * (n + 1) * sizeof(double));
    for (ptrdiff_t k = 0; k < size; ++k)
        none[k] = ssvm_no_sibling_key(&f->sibling, k);
    for (ptrdiff_t s = 1; s <= n; ++s)
        for (ptrdiff_t m = 1; m <= n; ++m)
            if (s != m)
                pair[s * (n + 1) + m] = ssvm_two_weights(
                    w, s_next + s * n_next, m_next + m * n_next, n_next, f->shift,
                    ssvm_sibling_slots(s, s, m));
    for (ptrdiff_t h = 0; h <= n; ++h)
        for (ptrdiff_t m = 1; m <= n; ++m) {
            double *out = scores + (h * n + m - 1) * (n + 1);
            const ptrdiff_t step = h < m ? 1 : -1;
            if (h == m)
                continue;
            for (ptrdiff_t k = 0; k < size; ++k)
                both[k] = h_keys[h * size + k] + m_keys[m * size + k];
            out[h] = scale * ssvm_two_weights(w, both, none, size, f->shift,
                                              ssvm_sibling_slots(h, h, m));
            if (h == 0 && f->single_root)
                continue;
            for (ptrdiff_t s = h + step; s != m; s += step)
                out[s] = scale * (pair[s * (n + 1) + m]
                                  + ssvm_two_weights(w, both, s_keys + s * size, size, f->shift,
                                                     ssvm_sibling_slots(h, s, m)));
        }
}

/* scores OUT (n + 1, n, n + 1): of head, modifier and the head of the head at [h, m - 1, g]; those that
 * cannot be are 0. */
SSVM_CLONES static void ssvm_grandparent_scores(const ssvm_tree_features *f, const uint64_t *rows,
                                                ptrdiff_t n, const double *w, double scale,
                                                double *scores, uint64_t *room)
{
    enum { TURNS = SSVM_LINE / 4 };
    double *pair = (double *)room; /* (n + 1, n + 1, TURNS) */
    const ptrdiff_t n_far = f->far.n, size = f->grandparent.n;
    room += (n + 1) * (n + 1) * TURNS;
    const uint64_t *g_far = ssvm_take_keys(&f->far, SSVM_GRANDPARENT, rows, n, &room);
    const uint64_t *m_far = ssvm_take_keys(&f->far, SSVM_MODIFIER, rows, n, &room);
    const uint64_t *g_keys = ssvm_take_keys(&f->grandparent, SSVM_GRANDPARENT, rows, n, &room);
    const uint64_t *h_keys = ssvm_take_keys(&f->grandparent, SSVM_HEAD, rows, n, &room);
    const uint64_t *m_keys = ssvm_take_keys(&f->grandparent, SSVM_MODIFIER, rows, n, &room);
    uint64_t *both = room;
    memset(scores, 0, (size_t)(n + 1) * n * (n + 1) * sizeof(double));
    memset(pair, 0, (size_t)(n + 1) * (n + 1) * TURNS * sizeof(double));
    for (ptrdiff_t g = 0; g <= n; ++g)
        for (ptrdiff_t m = 1; m <= n; ++m) {
            double *sum = pair + (g * (n + 1) + m) * TURNS;
            for (ptrdiff_t k = 0; k < n_far; ++k) {
                const uint64_t key = g_far[g * n_far + k] + m_far[m * n_far + k];
                const double *line = w + (size_t)(key >> f->shift) * SSVM_LINE;
                for (int turn = 0; turn < TURNS; ++turn)
                    sum[turn] += line[turn];
            }
        }
    for (ptrdiff_t h = 1; h <= n; ++h)
        for (ptrdiff_t m = 1; m <= n; ++m) {
            double *out = scores + (h * n + m - 1) * (n + 1);
            const ptrdiff_t low = h < m ? h : m, high = h < m ? m : h;
            if (h == m)
                continue;
            for (ptrdiff_t k = 0; k < size; ++k)
                both[k] = h_keys[h * size + k] + m_keys[m * size + k];
            for (ptrdiff_t g = 0; g <= n; ++g) {
                if (g >= low && g <= high && (f->nested || g == h || g == m)) {
                    if (f->nested)
                        g = high;
                    continue;
                }
                out[g] = scale * (pair[(g * (n + 1) + m) * TURNS + ssvm_turn(g, h, m)]
                                  + ssvm_two_weights(w, both, g_keys + g * size, size, f->shift,
                                                     ssvm_grandparent_slots(g, h, m)));
            }
        }
}

#endif
