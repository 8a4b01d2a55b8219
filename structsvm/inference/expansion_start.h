/* First labels of alpha-expansion, and first flows of its cuts, from a few sweeps of the sequential
 * tree-reweighted relaxation (Kolmogorov 2006, doi:10.1109/TPAMI.2006.200; relaxation.h has it in full,
 * with bounds). Its messages shift scores between the nodes of an edge, label by label, as flows do. After
 * them few nodes want another label, so little is left to the cuts, and the labels that they improve are
 * better than those from the best labels without edges. */
#ifndef SSVM_EXPANSION_START_H
#define SSVM_EXPANSION_START_H

/* Sweeps go there and back until fewer nodes than one in so many change their label, or so many times. */
enum { SSVM_FEW_CHANGES = 25, SSVM_MOST_SWEEPS = 5 };

static inline double ssvm_highest(const double *row, int32_t K)
{
    double top = row[0];
    for (int32_t k = 1; k < K; ++k)
        top = row[k] > top ? row[k] : top;
    return top;
}

/* One sweep from the first node to the last, or (`back`) from the last to the first. The message over an
 * edge replaces that of the sweep before, which went the other way; on the way back, half the difference
 * of the two is stored as the flow of each label. */
SSVM_CLONES static void ssvm_sweep_labels(const ssvm_labelling *p, ssvm_move *move, int back)
{
    const int32_t K = p->n_labels;
    double *hat = move->row, *own = move->row + K;
    for (int32_t t = 0; t < p->n_nodes; ++t) {
        const int32_t v = back ? p->n_nodes - 1 - t : t;
        const ssvm_node *x = &move->graph.nodes[v];
        int32_t n_later = 0, n_chains = x[1].first - x->first;
        memcpy(hat, p->unary + (ptrdiff_t)v * K, (size_t)K * sizeof(double));
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const double *in = move->messages + (ptrdiff_t)move->edge_of[a] * K;
            n_later += move->graph.arcs[a].head > v;
            for (int32_t k = 0; k < K; ++k)
                hat[k] += in[k];
        }
        /* The chains through a node share its scores. */
        n_chains = n_later > n_chains - n_later ? n_later : n_chains - n_later;
        for (int32_t k = 0; k < K && n_chains > 1; ++k)
            hat[k] /= n_chains;
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const int32_t e = move->edge_of[a];
            const double strength = p->pairwise[e];
            double *message = move->messages + (ptrdiff_t)e * K, top;
            if ((move->graph.arcs[a].head > v) == back)
                continue;
            for (int32_t k = 0; k < K; ++k)
                own[k] = hat[k] - message[k];
            top = ssvm_highest(own, K) - strength;
            if (back) {
                const double half = p->edges[2 * (ptrdiff_t)e + 1] == v ? 0.5 : -0.5;
                double *flow = move->flows + e;
                for (int32_t k = 0; k < K; ++k) {
                    const double out = own[k] > top ? own[k] - top : 0.0;
                    flow[(ptrdiff_t)k * p->n_edges] = half * (message[k] - out);
                }
            }
            for (int32_t k = 0; k < K; ++k)
                message[k] = own[k] > top ? own[k] - top : 0.0;
        }
    }
}

/* Each node takes the best label given its earlier neighbours and the messages from later ones. Returns
 * how many had another one. */
static int32_t ssvm_swept_labels(const ssvm_labelling *p, ssvm_move *move, int32_t *y)
{
    const int32_t K = p->n_labels;
    double *score = move->row;
    int32_t n_changed = 0;
    for (int32_t v = 0; v < p->n_nodes; ++v) {
        const ssvm_node *x = &move->graph.nodes[v];
        int32_t best = 0;
        memcpy(score, p->unary + (ptrdiff_t)v * K, (size_t)K * sizeof(double));
        for (int32_t a = x->first; a < x[1].first; ++a) {
            const int32_t e = move->edge_of[a], w = move->graph.arcs[a].head;
            const double *in = move->messages + (ptrdiff_t)e * K;
            if (w < v)
                score[y[w]] += p->pairwise[e];
            else
                for (int32_t k = 0; k < K; ++k)
                    score[k] += in[k];
        }
        for (int32_t k = 1; k < K; ++k)
            if (score[k] > score[best])
                best = k;
        n_changed += y[v] != best;
        y[v] = best;
    }
    return n_changed;
}

/* The better of the labels without edges and those of the sweeps. Returns whether flows were set. */
static int ssvm_first_labels(const ssvm_labelling *p, ssvm_move *move, int32_t *y)
{
    const size_t one = (size_t)p->n_edges * (size_t)p->n_labels;
    int32_t *other = move->changed;
    ssvm_greedy_labels(p, y);
    if (!move->keeps || p->is_table || p->n_labels < 3 || one > move->message_room)
        return 0;
    memset(move->messages, 0, one * sizeof(double));
    memcpy(other, y, (size_t)p->n_nodes * sizeof(int32_t));
    for (int sweep = 0; sweep < SSVM_MOST_SWEEPS; ++sweep) {
        ssvm_sweep_labels(p, move, 0);
        ssvm_sweep_labels(p, move, 1);
        if (ssvm_swept_labels(p, move, other) < p->n_nodes / SSVM_FEW_CHANGES)
            break;
    }
    if (ssvm_labelling_score(p, other) > ssvm_labelling_score(p, y))
        memcpy(y, other, (size_t)p->n_nodes * sizeof(int32_t));
    return 1;
}

#endif
