"""
Word alignment: which word translates which
===========================================

English and German sentences of a small grammar: German verbs move to the end or to the middle, "is"
of "is drawing" and little words such as "ja" have no partner. 200 translated sentences without
links say which words occur together; 40 more, with links, teach what this is worth beside spelling,
position and neighbours. One learner asks of each pair of words alone whether it is linked; the
other learns with the matching, in which each word has one partner at most, as do Taskar,
Lacoste-Julien and Klein (2005), "A discriminative matching approach to word alignment". Both reach
their optimum to a certified gap. The picture has a sentence that is not among them, with its true
links and those of both learners.
"""

import difflib
from collections import Counter

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import Parts, PartsModel, StructSVM
from structsvm.inference import Assignment

PEOPLE = """man:Mann:m woman:Frau:f child:Kind:n friend:Freund:m daughter:Tochter:f teacher:Lehrer:m
girl:Mädchen:n neighbour:Nachbar:m mother:Mutter:f cook:Koch:m painter:Maler:m witch:Hexe:f"""
THINGS = """book:Buch:n milk:Milch:f apple:Apfel:m letter:Brief:m table:Tisch:m water:Wasser:n
soup:Suppe:f bread:Brot:n chair:Stuhl:m lamp:Lampe:f bag:Tasche:f picture:Bild:n ring:Ring:m"""
PLACES = """garden:Garten:m kitchen:Küche:f house:Haus:n city:Stadt:f forest:Wald:m room:Zimmer:n
school:Schule:f village:Dorf:n yard:Hof:m"""
ADJECTIVES = (
    "old:alt new:neu little:klein big:groß good:gut beautiful:schön strange:seltsam famous:berühmt"
)
VERBS = """bought:gekauft:buying:kauft seen:gesehen:seeing:sieht found:gefunden:finding:findet
brought:gebracht:bringing:bringt drawn:gezeichnet:drawing:zeichnet sold:verkauft:selling:verkauft
carried:getragen:carrying:trägt taken:genommen:taking:nimmt"""
ADVERBS = "today:heute often:oft always:immer again:wieder now:jetzt"
ARTICLES = {"m": ("der", "den", "dem"), "f": ("die", "die", "der"), "n": ("das", "das", "dem")}


def pick(rng, entries):
    return str(rng.choice(entries.split())).split(":")


def noun_phrase(rng, entries, case):
    """Pairs of words of a phrase; case 0 is the subject's, 1 the object's, 2 that of a place."""
    english, german, gender = pick(rng, entries)
    article = ARTICLES[gender][case]
    pairs = [("the", article)]
    ending = "en" if case == 2 or article == "den" else "e"
    for entry in rng.permutation(ADJECTIVES.split())[: rng.integers(3)]:
        adjective, stem = entry.split(":")
        pairs.append((adjective, stem + ending))
    return [*pairs, (english, german)]


def sentence(rng):
    """Words in English, words in German, and links, a list of pairs of positions."""
    subject, thing = noun_phrase(rng, PEOPLE, 0), noun_phrase(rng, THINGS, 1)
    place = [("in", "in"), *noun_phrase(rng, PLACES, 2)] if rng.random() < 0.7 else []
    adverb = [tuple(pick(rng, ADVERBS))] if rng.random() < 0.6 else []
    particle = [(None, str(rng.choice(["ja", "doch", "wohl"])))] if rng.random() < 0.5 else []
    done, participle, doing, present = pick(rng, VERBS)
    if rng.random() < 0.5:
        second, final = ("has", "hat"), [(done, participle)]
        verbs = [second, *final]
    else:
        second, final = (doing, present), []
        verbs = [("is", None), second]
    english = subject + verbs + thing + place + adverb
    # The second place is the verb's, after the subject or an adverb.
    first, third = (adverb, subject) if adverb and rng.random() < 0.5 else (subject, adverb)
    german = [*first, second, *third, *particle, *place, *thing, *final]
    links = [(i, j) for i, a in enumerate(english) for j, b in enumerate(german) if a is b]
    return [a for a, _ in english], [b for _, b in german], links


rng = np.random.default_rng(0)
sentences = [sentence(rng) for _ in range(440)]
unlinked, linked = sentences[:200], sentences[200:]

alone, together = Counter(), Counter()
for english, german, _ in unlinked:
    alone.update({(0, a) for a in english} | {(1, b) for b in german})
    together.update({(a, b) for a in english for b in german})


def dice(a, b):
    """How often two words occur together, from 0 to 1."""
    return 2 * together[a, b] / max(alone[0, a] + alone[1, b], 1)


def example(english, german, links):
    """A row of features for each pair of words, and whether it is linked."""
    n, m = len(english), len(german)
    padded = np.zeros((n + 2, m + 2))
    padded[1:-1, 1:-1] = [[dice(a, b) for b in german] for a in english]
    spelling = [
        [difflib.SequenceMatcher(None, a, b.lower()).ratio() for b in german] for a in english
    ]
    distance = abs(np.arange(n)[:, None] / (n - 1) - np.arange(m) / (m - 1))
    features = [padded[1:-1, 1:-1], spelling, distance, padded[:-2, :-2], padded[2:, 2:]]
    uses = np.zeros((n, m), dtype=int)
    uses[tuple(np.transpose(links))] = 1
    return Parts(np.stack(features, axis=2).reshape(n * m, -1), context=(n, m)), uses.ravel()


def above_zero(scores, x):
    return scores > 0


X, y = zip(*(example(*one) for one in linked))
X_train, y_train, X_test, y_test = X[:40], y[:40], X[40:], y[40:]
answers = {"true links": y_test}
for name, maximizer in (("each pair alone", above_zero), ("matching", Assignment(partial=True))):
    svm = StructSVM(PartsModel(maximizer), random_state=0).fit(X_train, y_train)
    answers[name] = svm.predict(X_test)
    truth, guess = np.concatenate(y_test), np.concatenate(answers[name])
    f1 = 200 * (truth @ guess) / (truth.sum() + guess.sum())
    whole = 100 * np.mean([np.array_equal(a, b) for a, b in zip(y_test, answers[name])])
    print(f"{name}: certified gap {svm.dual_gap_:.1e}")
    print(f"{whole:.1f}% of sentences all right, {f1:.1f}% of held-out links found (F1)")

# The sentence that gains most.
wrong = {name: [np.sum(a != b) for a, b in zip(y_test, some)] for name, some in answers.items()}
k = int(np.argmax(np.subtract(wrong["each pair alone"], wrong["matching"])))
english, german, _ = linked[40 + k]
truth = y_test[k].reshape(X_test[k].context)
left, right = np.linspace(0, 1, len(english)), np.linspace(0, 1, len(german))
figure, rows = plt.subplots(3, 1, figsize=(0.85 * max(truth.shape), 7), layout="constrained")
for axes, (name, some) in zip(rows, answers.items()):
    guess = some[k].reshape(truth.shape)
    for i, j in np.argwhere(truth | guess):
        colour = "#456" if truth[i, j] == guess[i, j] else "#c33"
        axes.plot([left[i], right[j]], [1, 0], "-" if guess[i, j] else ":", color=colour, lw=2)
    for words, places, height, side in (
        (english, left, 1.06, "bottom"),
        (german, right, -0.06, "top"),
    ):
        for word, place in zip(words, places):
            axes.text(place, height, word, ha="center", va=side)
    note = f": {wrong[name][k]} wrong links (red), dotted if missed" if wrong[name][k] else ""
    axes.set_title(name + note, loc="left", fontsize=10)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.3, 1.3))
    axes.axis("off")
figure.savefig("word_alignment.png", dpi=110)
print("wrote word_alignment.png")
