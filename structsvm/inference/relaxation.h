/* Messages and sweeps of the sequential tree-reweighted relaxation, hard (temperature 0) and soft.
 *
 * A sweep visits the nodes in the order of their numbers. Chains with rising numbers cover the graph,
 * each edge in one of them; a node with p edges to earlier and q to later nodes is on max(p, q, 1) chains,
 * which share its scores evenly. A sweep never raises the sum over chains of
 *
 *     max of the chain (hard)      or      T log sum exp(score / T) over its labellings (soft)
 *
 * and returns it. The hard sum is a bound on the best score for any messages. The hard sweep is
 * Kolmogorov's (2006, doi:10.1109/TPAMI.2006.200), the soft one Savchynskyy et al.'s (2012,
 * arXiv:1210.4906).
 *
 * Messages are kept by edge: `forward` into the later end, `backward` into the earlier end. Rows are
 * padded to `stride` lanes; the unary scores of padding lanes are -inf, which drop out of every max and
 * sum. In C for target_clones and lane loops of constant length. */
#ifndef SSVM_RELAXATION_H
#define SSVM_RELAXATION_H

#include "soft_max.h"

typedef struct {
    ptrdiff_t n_nodes, n_edges, n_labels, stride;
    const int32_t *edges;         /* (n_edges, 2) */
    const int64_t *arc_start;     /* (n_nodes + 1): where the arcs of each node start */
    const int64_t *later_start;   /* (n_nodes): first of its arcs that goes to a later node */
    const int64_t *arcs;          /* (2 n_edges): 2 * edge + which end of the edge the node is */
    const double *unary;          /* (n_nodes, stride), padded with -inf */
    const double *agreement;      /* (n_edges): score of an edge if its ends agree; or NULL */
    const double *tables;         /* (1 or n_edges, n_labels, n_labels) if agreement is NULL */
    ptrdiff_t table_step;         /* 0 for one table for all edges */
    double *forward, *backward;   /* (n_edges, stride): messages */
    double *row;                  /* SCRATCH (4, stride) */
    double *table;                /* SCRATCH (2, stride, stride) if there are tables, zero padding */
} ssvm_relaxation;

/* The table of an edge as seen from its end `side`: own label first, padded. */
SSVM_INLINE const double *ssvm_table(const ssvm_relaxation *graph, ptrdiff_t edge, int side)
{
    const ptrdiff_t n = graph->n_labels, stride = graph->stride;
    double *out = graph->table + side * stride * stride;
    if (graph->table_step == 0) /* both views were stored with the scores */
        return out;
    const double *in = graph->tables + edge * graph->table_step;
    for (ptrdiff_t a = 0; a < n; ++a)
        for (ptrdiff_t b = 0; b < n; ++b)
            out[a * stride + b] = side ? in[b * n + a] : in[a * n + b];
    return out;
}

/* out[b] = max_a own[a] + w [a == b], or its soft form. */
SSVM_INLINE void ssvm_agreement_message(const double *own, double w, double temperature,
                                        double *weights, double *rest, double *out,
                                        ptrdiff_t stride)
{
    const double top = ssvm_row_max(own, stride);
    /* The best of the labels other than the top one; the top again if it is tied. */
    double second[SSVM_GROUP], n_top[SSVM_GROUP];
    for (int j = 0; j < SSVM_GROUP; ++j) {
        second[j] = -INFINITY;
        n_top[j] = 0.0;
    }
    for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
        for (int j = 0; j < SSVM_GROUP; ++j) {
            const double below = own[g + j] == top ? -INFINITY : own[g + j];
            second[j] = below > second[j] ? below : second[j];
            n_top[j] += own[g + j] == top ? 1.0 : 0.0;
        }
    const double n_tied = (n_top[0] + n_top[1]) + (n_top[2] + n_top[3]);
    const double runner_up = n_tied > 1.0 ? top : ssvm_row_max(second, SSVM_GROUP);
    for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
        for (int j = 0; j < SSVM_GROUP; ++j) {
            const double other = own[g + j] == top ? runner_up : top;
            const double same = own[g + j] + w;
            out[g + j] = same > other ? same : other;
        }
    if (temperature == 0.0)
        return;
    /* Every lane needs a small relative error, even far below the top: other messages may lift it. So
     * each sum is taken relative to its own greatest term, out[b]. */
    const double inverse = 1.0 / temperature;
    const double sum = ssvm_row_exp(own, top, inverse, weights, stride);
    double others_of_top = sum - 1.0; /* tied: another 1 is left */
    if (n_tied == 1.0 && runner_up > -INFINITY) {
        for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
            for (int j = 0; j < SSVM_GROUP; ++j)
                rest[g + j] = own[g + j] == top ? -INFINITY : own[g + j];
        others_of_top = ssvm_row_exp(rest, runner_up, inverse, rest, stride);
    }
    for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
        for (int j = 0; j < SSVM_GROUP; ++j) {
            const int is_top = own[g + j] == top;
            const double other = is_top ? runner_up : top, same = own[g + j] + w;
            const double others = is_top ? others_of_top : sum - weights[g + j];
            const double less = other > same ? same - other : other - same;
            const double ratio = ssvm_exp(less * inverse);
            const double mass = other > same ? others + ratio : others * ratio + 1.0;
            out[g + j] += temperature * ssvm_log(mass);
        }
}

/* out[b] = max_a own[a] + table[a][b], or its soft form. */
SSVM_INLINE void ssvm_table_message(const double *own, const double *table, double temperature,
                                    double *out, ptrdiff_t n_labels, ptrdiff_t stride)
{
    for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP) {
        double best[SSVM_GROUP], sum[SSVM_GROUP] = {0.0, 0.0, 0.0, 0.0};
        for (int j = 0; j < SSVM_GROUP; ++j)
            best[j] = own[0] + table[g + j];
        for (ptrdiff_t a = 1; a < n_labels; ++a)
            for (int j = 0; j < SSVM_GROUP; ++j) {
                const double candidate = own[a] + table[a * stride + g + j];
                best[j] = candidate > best[j] ? candidate : best[j];
            }
        if (temperature > 0.0) {
            const double inverse = 1.0 / temperature;
            for (ptrdiff_t a = 0; a < n_labels; ++a)
                for (int j = 0; j < SSVM_GROUP; ++j)
                    sum[j] += ssvm_exp((own[a] + table[a * stride + g + j] - best[j]) * inverse);
            for (int j = 0; j < SSVM_GROUP; ++j)
                best[j] += temperature * ssvm_log(sum[j]);
        }
        for (int j = 0; j < SSVM_GROUP; ++j)
            out[g + j] = best[j];
    }
}

/* hat = the node's scores and all messages into it. */
SSVM_INLINE void ssvm_gather(const ssvm_relaxation *graph, ptrdiff_t node, const double *forward,
                             const double *backward, double *hat)
{
    const ptrdiff_t stride = graph->stride;
    memcpy(hat, graph->unary + node * stride, stride * sizeof(double));
    for (int64_t k = graph->arc_start[node]; k < graph->arc_start[node + 1]; ++k) {
        const double *in = (k < graph->later_start[node] ? forward : backward)
            + (graph->arcs[k] >> 1) * stride;
        for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
            for (int j = 0; j < SSVM_GROUP; ++j)
                hat[g + j] += in[g + j];
    }
}

/* The number of chains through a node. */
SSVM_INLINE double ssvm_n_chains(const ssvm_relaxation *graph, ptrdiff_t node)
{
    const int64_t n_earlier = graph->later_start[node] - graph->arc_start[node];
    const int64_t n_later = graph->arc_start[node + 1] - graph->later_start[node];
    const int64_t n_chains = n_earlier > n_later ? n_earlier : n_later;
    return n_chains > 1 ? (double) n_chains : 1.0;
}

/* One pass over the nodes from the first or (`reverse`) from the last; returns the sum over chains.
 * `written` receives the new messages: `forward`, or `backward` in reverse, or a spare array of their
 * shape, which leaves both as they are. */
SSVM_CLONES static double ssvm_sweep(const ssvm_relaxation *graph, int reverse, double temperature,
                                     double *written)
{
    const ptrdiff_t n = graph->n_nodes, stride = graph->stride;
    const double *forward = reverse ? graph->forward : written;
    const double *backward = reverse ? written : graph->backward;
    const double *returned = reverse ? forward : backward;
    double *hat = graph->row, *own = hat + stride, *weights = own + stride, *rest = weights + stride;
    double total = 0.0;
    for (ptrdiff_t step = 0; step < n; ++step) {
        const ptrdiff_t node = reverse ? n - 1 - step : step;
        const int64_t begin = reverse ? graph->arc_start[node] : graph->later_start[node];
        const int64_t end = reverse ? graph->later_start[node] : graph->arc_start[node + 1];
        const double n_chains = ssvm_n_chains(graph, node), share = 1.0 / n_chains;
        ssvm_gather(graph, node, forward, backward, hat);
        for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
            for (int j = 0; j < SSVM_GROUP; ++j)
                hat[g + j] *= share;
        for (int64_t k = begin; k < end; ++k) {
            const int64_t edge = graph->arcs[k] >> 1;
            const int side = (int) (graph->arcs[k] & 1);
            const double *back = returned + edge * stride;
            double *out = written + edge * stride;
            for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
                for (int j = 0; j < SSVM_GROUP; ++j)
                    own[g + j] = hat[g + j] - back[g + j];
            if (graph->agreement)
                ssvm_agreement_message(own, graph->agreement[edge], temperature, weights, rest,
                                       out, stride);
            else
                ssvm_table_message(own, ssvm_table(graph, edge, side), temperature, out,
                                   graph->n_labels, stride);
            /* Constants in messages do not matter: keep the first lane at 0. */
            const double constant = out[0];
            total += constant;
            for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
                for (int j = 0; j < SSVM_GROUP; ++j)
                    out[g + j] -= constant;
        }
        const double n_ending = n_chains - (double) (end - begin);
        if (n_ending > 0.0) {
            double best = ssvm_row_max(hat, stride);
            if (temperature > 0.0)
                best += temperature
                    * ssvm_log(ssvm_row_exp(hat, best, 1.0 / temperature, weights, stride));
            total += n_ending * best;
        }
    }
    return total;
}

#endif
