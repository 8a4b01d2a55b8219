/* From messages to outputs: labels, and a point of the local polytope with its value.
 *
 * Soft messages imply the node marginals. Given these, the best marginals of an edge have a closed form
 * for a score of agreement. For a table they are the edge's own belief, moved onto the node marginals
 * (Altschul, Weed, Rigollet 2017, arXiv:1705.09634, algorithm 2). Either way the point is consistent up to
 * rounding, and its value is a lower bound on the optimum of the relaxation. */
#ifndef SSVM_RELAXATION_PRIMAL_H
#define SSVM_RELAXATION_PRIMAL_H

#include "relaxation.h"

/* Labels by one pass over the nodes: each node takes the best label given its earlier neighbours and the
 * messages from its later neighbours (or the reverse), the lowest of several. */
SSVM_CLONES static void ssvm_decode(const ssvm_relaxation *graph, int reverse, int32_t *labels)
{
    const ptrdiff_t n = graph->n_nodes, n_labels = graph->n_labels, stride = graph->stride;
    const double *returned = reverse ? graph->forward : graph->backward;
    double *score = graph->row;
    for (ptrdiff_t step = 0; step < n; ++step) {
        const ptrdiff_t node = reverse ? n - 1 - step : step;
        memcpy(score, graph->unary + node * stride, stride * sizeof(double));
        for (int64_t k = graph->arc_start[node]; k < graph->arc_start[node + 1]; ++k) {
            const int64_t edge = graph->arcs[k] >> 1;
            const int side = (int) (graph->arcs[k] & 1);
            if ((k < graph->later_start[node]) == reverse) {
                for (ptrdiff_t b = 0; b < n_labels; ++b)
                    score[b] += returned[edge * stride + b];
                continue;
            }
            const int32_t other = labels[graph->edges[2 * edge + 1 - side]];
            if (graph->agreement) {
                score[other] += graph->agreement[edge];
                continue;
            }
            const double *in = graph->tables + edge * graph->table_step;
            for (ptrdiff_t b = 0; b < n_labels; ++b)
                score[b] += side ? in[other * n_labels + b] : in[b * n_labels + other];
        }
        int32_t best = 0;
        for (int32_t b = 1; b < n_labels; ++b)
            if (score[b] > score[best])
                best = b;
        labels[node] = best;
    }
}

/* The score of labels. */
SSVM_INLINE double ssvm_score(const ssvm_relaxation *graph, const int32_t *labels)
{
    double total = 0.0;
    for (ptrdiff_t i = 0; i < graph->n_nodes; ++i)
        total += graph->unary[i * graph->stride + labels[i]];
    for (ptrdiff_t e = 0; e < graph->n_edges; ++e) {
        const int32_t a = labels[graph->edges[2 * e]], b = labels[graph->edges[2 * e + 1]];
        if (graph->agreement)
            total += a == b ? graph->agreement[e] : 0.0;
        else
            total += graph->tables[e * graph->table_step + a * graph->n_labels + b];
    }
    return total;
}

/* The greatest (w >= 0) or least (w < 0) agreement that two marginals allow. */
SSVM_INLINE double ssvm_agreement_mass(const double *p, const double *q, double w,
                                       ptrdiff_t stride)
{
    if (w < 0.0) {
        double most = 0.0;
        for (ptrdiff_t a = 0; a < stride; ++a)
            most = p[a] + q[a] - 1.0 > most ? p[a] + q[a] - 1.0 : most;
        return most;
    }
    double mass[SSVM_GROUP] = {0.0, 0.0, 0.0, 0.0};
    for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
        for (int j = 0; j < SSVM_GROUP; ++j)
            mass[j] += p[g + j] < q[g + j] ? p[g + j] : q[g + j];
    return (mass[0] + mass[1]) + (mass[2] + mass[3]);
}

/* out = a coupling of p and q with exactly this agreement on its diagonal. rest_p, rest_q: SCRATCH. */
static void ssvm_agreement_coupling(const double *p, const double *q, double w, double *rest_p,
                                    double *rest_q, double *out, ptrdiff_t n)
{
    if (w >= 0.0) {
        double missing = 0.0;
        for (ptrdiff_t a = 0; a < n; ++a) {
            const double both = p[a] < q[a] ? p[a] : q[a];
            rest_p[a] = p[a] - both;
            rest_q[a] = q[a] - both;
            missing += rest_p[a];
        }
        for (ptrdiff_t a = 0; a < n; ++a)
            for (ptrdiff_t b = 0; b < n; ++b)
                out[a * n + b] = a == b ? p[a] - rest_p[a]
                    : missing > 0.0 ? rest_p[a] * rest_q[b] / missing : 0.0;
        return;
    }
    for (ptrdiff_t a = 0; a < n; ++a)
        for (ptrdiff_t b = 0; b < n; ++b)
            out[a * n + b] = p[a] * q[b];
    /* Pairs of labels swap ends until at most one label is left on the diagonal, ... */
    ptrdiff_t c = 0;
    for (ptrdiff_t b = 1; b < n; ++b) {
        const double own = out[c * n + c], other = out[b * n + b];
        const double moved = own < other ? own : other;
        out[c * n + c] -= moved;
        out[b * n + b] -= moved;
        out[c * n + b] += moved;
        out[b * n + c] += moved;
        if (out[b * n + b] > 0.0)
            c = b;
    }
    /* ... then that label swaps ends with pairs of other labels. */
    for (ptrdiff_t a = 0; a < n; ++a)
        for (ptrdiff_t b = 0; b < n; ++b) {
            if (a == b || a == c || b == c)
                continue;
            const double own = out[c * n + c], other = out[a * n + b];
            const double moved = own < other ? own : other;
            out[c * n + c] -= moved;
            out[a * n + b] -= moved;
            out[c * n + b] += moved;
            out[a * n + c] += moved;
        }
}

/* Move `out`, whose entries are >= 0 and sum to 1, onto a coupling of p and q (algorithm 2 of Altschul et
 * al.). rows, columns: SCRATCH. */
SSVM_INLINE void ssvm_couple(const double *p, const double *q, double *out, double *rows,
                             double *columns, ptrdiff_t n_labels)
{
    for (ptrdiff_t b = 0; b < n_labels; ++b)
        columns[b] = 0.0;
    for (ptrdiff_t a = 0; a < n_labels; ++a) {
        double sum = 0.0;
        for (ptrdiff_t b = 0; b < n_labels; ++b)
            sum += out[a * n_labels + b];
        const double scale = sum > p[a] ? p[a] / sum : 1.0;
        for (ptrdiff_t b = 0; b < n_labels; ++b) {
            out[a * n_labels + b] *= scale;
            columns[b] += out[a * n_labels + b];
        }
    }
    for (ptrdiff_t b = 0; b < n_labels; ++b)
        columns[b] = columns[b] > q[b] ? q[b] / columns[b] : 1.0;
    double missing = 0.0;
    for (ptrdiff_t a = 0; a < n_labels; ++a) {
        double sum = 0.0;
        for (ptrdiff_t b = 0; b < n_labels; ++b) {
            out[a * n_labels + b] *= columns[b];
            sum += out[a * n_labels + b];
        }
        rows[a] = p[a] > sum ? p[a] - sum : 0.0;
        missing += rows[a];
    }
    if (!(missing > 0.0))
        return;
    for (ptrdiff_t b = 0; b < n_labels; ++b) {
        double sum = 0.0;
        for (ptrdiff_t a = 0; a < n_labels; ++a)
            sum += out[a * n_labels + b];
        columns[b] = q[b] > sum ? (q[b] - sum) / missing : 0.0;
    }
    for (ptrdiff_t a = 0; a < n_labels; ++a)
        for (ptrdiff_t b = 0; b < n_labels; ++b)
            out[a * n_labels + b] += rows[a] * columns[b];
}

/* Node marginals at this temperature > 0; returns the sum of their entropies, each counted once for every
 * chain of the node. `hat` OUT, of the shape of unary: each node's share of scores and messages, for
 * ssvm_table_value. */
SSVM_CLONES static double ssvm_node_marginals(const ssvm_relaxation *graph, double temperature,
                                            double *hat, double *marginals)
{
    const ptrdiff_t stride = graph->stride;
    double total = 0.0;
    for (ptrdiff_t node = 0; node < graph->n_nodes; ++node) {
        double *own = hat + node * stride, *out = marginals + node * stride;
        const double n_chains = ssvm_n_chains(graph, node), share = 1.0 / n_chains;
        double entropy[SSVM_GROUP] = {0.0, 0.0, 0.0, 0.0};
        ssvm_gather(graph, node, graph->forward, graph->backward, own);
        for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
            for (int j = 0; j < SSVM_GROUP; ++j)
                own[g + j] *= share;
        const double sum
            = ssvm_row_exp(own, ssvm_row_max(own, stride), 1.0 / temperature, out, stride);
        for (ptrdiff_t g = 0; g < stride; g += SSVM_GROUP)
            for (int j = 0; j < SSVM_GROUP; ++j) {
                out[g + j] /= sum;
                entropy[j] -= out[g + j] * ssvm_log(out[g + j] > 1e-300 ? out[g + j] : 1e-300);
            }
        total += n_chains * ((entropy[0] + entropy[1]) + (entropy[2] + entropy[3]));
    }
    return total;
}

/* The value of the node marginals. */
SSVM_CLONES static double ssvm_node_value(const ssvm_relaxation *graph, const double *marginals)
{
    double total = 0.0;
    for (ptrdiff_t i = 0; i < graph->n_nodes; ++i)
        for (ptrdiff_t k = i * graph->stride; k < i * graph->stride + graph->n_labels; ++k)
            total += marginals[k] > 0.0 ? marginals[k] * graph->unary[k] : 0.0;
    return total;
}

/* The value of edges with scores of agreement; `masses` OUT (n_edges): their agreement. */
SSVM_CLONES static double ssvm_agreement_value(const ssvm_relaxation *graph,
                                               const double *marginals, double *masses)
{
    const ptrdiff_t stride = graph->stride;
    double total = 0.0;
    for (ptrdiff_t e = 0; e < graph->n_edges; ++e) {
        const double *p = marginals + graph->edges[2 * e] * stride;
        const double *q = marginals + graph->edges[2 * e + 1] * stride;
        masses[e] = ssvm_agreement_mass(p, q, graph->agreement[e], stride);
        total += graph->agreement[e] * masses[e];
    }
    return total;
}

/* The value of edges with tables; `out` OUT (n_edges, n_labels, n_labels): their marginals. */
SSVM_CLONES static double ssvm_table_value(const ssvm_relaxation *graph, double temperature,
                                           const double *hat, const double *marginals, double *out)
{
    const ptrdiff_t stride = graph->stride, n = graph->n_labels;
    double *from = graph->row, *to = from + stride;
    double total = 0.0;
    for (ptrdiff_t e = 0; e < graph->n_edges; ++e, out += n * n) {
        const int64_t i = graph->edges[2 * e], j = graph->edges[2 * e + 1];
        const double *into_i = (i < j ? graph->backward : graph->forward) + e * stride;
        const double *into_j = (i < j ? graph->forward : graph->backward) + e * stride;
        const double *table = graph->tables + e * graph->table_step;
        double top = -INFINITY, sum = 0.0;
        for (ptrdiff_t a = 0; a < n; ++a) {
            from[a] = hat[i * stride + a] - into_i[a];
            to[a] = hat[j * stride + a] - into_j[a];
        }
        for (ptrdiff_t a = 0; a < n; ++a)
            for (ptrdiff_t b = 0; b < n; ++b) {
                out[a * n + b] = from[a] + table[a * n + b] + to[b];
                top = out[a * n + b] > top ? out[a * n + b] : top;
            }
        for (ptrdiff_t k = 0; k < n * n; ++k)
            out[k] = ssvm_exp((out[k] - top) / temperature);
        for (ptrdiff_t k = 0; k < n * n; ++k)
            sum += out[k];
        for (ptrdiff_t k = 0; k < n * n; ++k)
            out[k] /= sum;
        ssvm_couple(marginals + i * stride, marginals + j * stride, out, from, to, n);
        for (ptrdiff_t k = 0; k < n * n; ++k)
            total += out[k] * table[k];
    }
    return total;
}

#endif
