"""Features of dependency trees by their names, as `ArcFeatures` describes them."""

import itertools
from collections import Counter

BINS = (1, 2, 3, 4, 5, 10)


def bin_of(distance):
    return sum(distance > last for last in BINS)


def parts(heads, order):
    """(kind, tokens, directions, bin of distance) of all parts of a tree."""
    for m, h in enumerate(heads, 1):
        right, distance = h < m, abs(m - h)
        yield "hm", {"h": h, "m": m}, right, bin_of(distance)
        if order > 1:
            inner = [s for s in range(min(h, m) + 1, max(h, m)) if heads[s - 1] == h]
            if inner:
                s = max(inner) if right else min(inner)
                yield "hms", {"h": h, "m": m, "s": s}, right, bin_of(abs(m - s))
            else:
                yield "hm none", {"h": h, "m": m}, right, bin_of(distance)
        if order > 2 and h:
            g = heads[h - 1]
            near = 0 if distance == 1 else 1 if distance < 5 else 2
            yield "hmg", {"h": h, "m": m, "g": g}, (g < h, right), near


def named_features(templates, sentence, heads, order, known, kinds):
    """How often a tree has each feature.

    `kinds` are the tags that are verbs, punctuation and conjunctions.
    """
    n = len(sentence)

    def value(token, atom):
        name, sign, number = atom.partition("+") if "+" in atom else atom.partition("-")
        place = token + (int(sign + number) if sign else 0)
        if place < 0 or place > n:
            return "before" if place < 0 else "behind"
        if place == 0:
            return "root"
        word, tag = sentence[place - 1]
        shape = (
            word[:1].isupper(),
            word.upper() == word and any(c.isalpha() for c in word) and len(word) > 1,
            any(c.isdigit() for c in word),
            "-" in word,
            any(c.isalpha() for c in word),
        )
        return {
            "word": word if word in known else ("unknown", shape),
            "tag": tag,
            "lower": word.lower(),
            "prefix": word.lower()[:4],
            "suffix": word.lower()[-3:],
            "ending": word.lower()[-2:],
            "shape": shape,
        }[name]

    found = Counter()
    for kind, tokens, turn, near in parts(heads, order):
        for template in templates:
            atoms = [atom.split(".") for atom in template.split()]
            roles = {role for role, _ in atoms}
            own = set(tokens) | ({"s"} if kind == "hm none" else set())
            if kind == "hm":
                fits = roles <= {"h", "m", "between"}
            elif kind == "hm none":
                fits = roles == {"h", "m", "s"}
            else:
                fits = kind[-1] in roles and roles <= own
            if not fits:
                continue
            told = [
                (role, name, value(tokens[role], name) if role in tokens else None)
                for role, name in atoms
                if role != "between"
            ]
            low, high = sorted((tokens["h"], tokens["m"]))
            between = [sentence[t - 1][1] for t in range(low + 1, high)]
            counts = [
                min(sum(tag in some for tag in between), most)
                for some, most in zip(kinds, (3, 3, 2), strict=True)
            ]
            contexts = {
                "tags": [frozenset(between)],
                "counts": [tuple(counts)],
                "verbs": [counts[0]],
                "punctuation": [counts[1]],
                "conjunctions": [counts[2]],
                "tag": sorted(set(between)),
            }
            several = [contexts[name] for role, name in atoms if role == "between"]
            for context in itertools.product(*several):
                name = (template, tuple(told), context)
                found[name, turn] += 1
                # Pairs of grandparent and modifier have no distance.
                if kind != "hmg" or "h" in roles:
                    found[name, turn, near] += 1
    return found
