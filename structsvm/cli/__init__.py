"""The command ``structsvm``: train, tag, parse and evaluate on files, and look into models.

This module only reads arguments: what a command needs is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from structsvm.cli.output import hang_up, tell

__all__ = ["main"]

_EPILOG = (
    "Column files have one token on each line, columns separated by tabs or spaces, an empty line "
    "after each sentence, the label last; .gz is read too. Exit codes: 0 done, 1 bad data or "
    "model, 2 bad arguments, 130 interrupted (Ctrl-C, SIGTERM, SIGHUP): train then keeps what it "
    "has."
)
_SIGNALS = tuple(getattr(signal, s) for s in ("SIGTERM", "SIGHUP") if hasattr(signal, s))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="structsvm",
        description="Structured SVMs for sequence labelling, trained to a certified gap.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a tagger on a column file"))
    _add_tag(commands.add_parser("tag", help="add a column of tags"))
    _add_evaluate(commands.add_parser("evaluate", help="compare tags with the labels of a file"))
    _add_train_parser(commands.add_parser("train-parser", help="train a parser on CoNLL-U"))
    _add_parse(commands.add_parser("parse", help="write trees into CoNLL-U"))
    _add_evaluate_parser(
        commands.add_parser("evaluate-parser", help="compare trees with those of a file")
    )
    _add_dump(commands.add_parser("dump", help="write a model's weights as text"))
    _add_info(commands.add_parser("info", help="say what a model file holds"))
    return parser


def _version() -> str:
    from structsvm import __version__

    return f"structsvm {__version__}"


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="train")
    parser.add_argument("data", nargs="+",
                        help="column files with labels, or JSON lines")  # fmt: skip
    parser.add_argument("-o", "--model", required=True, help="the model file to write")
    _add_json(parser)
    parser.add_argument(
        "--partial", choices=["void", "hidden"],
        help="labels _ (null in JSON) are not known. void: nothing is learnt there; hidden: "
        "training completes them first, as a LatentSVM does",
    )  # fmt: skip
    parser.add_argument(
        "-f", "--features", default="auto", metavar="SET|FILE",
        help="chunk (words and tags), words, or a file of templates as of CRF++ (default: chunk if "
        "there are two columns or more before the label, else words)",
    )  # fmt: skip
    parser.add_argument(
        "--outside", choices=["drop", "mark"],
        help="what templates see beyond a sentence: nothing, or marks such as _B-1 (default: mark "
        "for a file of templates, else drop)",
    )  # fmt: skip
    parser.add_argument("--min-count", type=_positive_int, default=1, metavar="N",
                        help="leave out attributes with fewer occurrences")  # fmt: skip
    parser.add_argument("--hashed", type=_positive_int, metavar="N",
                        help="hash attributes to this many columns, in bounded memory")  # fmt: skip
    parser.add_argument("-C", type=_penalty, default=None,
                        help="default: by the attributes; auto: what is best on --validation, or "
                        "on a third of the sentences")  # fmt: skip
    parser.add_argument(
        "--Cs", type=_numbers, metavar="C,C,...",
        help="values of C, trained one after the other; the best on --validation, or over --folds, "
        "is taken",
    )  # fmt: skip
    parser.add_argument("--folds", type=_positive_int, metavar="K",
                        help="cross-validate first, with a report")  # fmt: skip
    parser.add_argument(
        "--solver", default="bcfw",
        choices=["bcfw", "cutting_plane", "n_slack", "subgradient", "perceptron",
                 "passive_aggressive"],
        help="default: bcfw; perceptron is several times as fast",
    )  # fmt: skip
    parser.add_argument("--tol", type=_positive, help="relative duality gap to stop at "
                        "(default: 0.03)")  # fmt: skip
    parser.add_argument("--max-iter", type=_positive_int, metavar="N",
                        help="passes over the data at most")  # fmt: skip
    parser.add_argument(
        "--constraints", metavar="SCHEME",
        choices=["iob2", "iobes", "bilou", "iob2-suffix", "iobes-suffix", "bilou-suffix", "seen"],
        help="forbid tags that are ill-formed in this scheme: iob2, iobes or bilou, with -suffix "
        "behind it for tags such as NP-B; seen: transitions that the training data do not have",
    )  # fmt: skip
    parser.add_argument(
        "--on-violation", choices=["raise", "skip", "repair"], default="raise",
        help="sentences that --constraints forbid: end with an error, leave them out, or write "
        "their spans as the scheme has them (default: raise)",
    )  # fmt: skip
    parser.add_argument("--order", type=_order, default=1, metavar="{1,2,auto}",
                        help="how many labels a transition looks back (default: 1); auto: what is "
                        "better on --validation, or on a third of the sentences")  # fmt: skip
    parser.add_argument("--validation", metavar="FILE",
                        help="column file that chooses the best iteration")  # fmt: skip
    parser.add_argument("--patience", type=_positive_int, metavar="N",
                        help="stop after N iterations without a better score on it")  # fmt: skip
    parser.add_argument("--calibrate", metavar="FILE",
                        help="file with labels, not trained on, that makes scores probabilities: "
                        "see tag --confidence")  # fmt: skip
    parser.add_argument(
        "--scoring", choices=["token_accuracy", "sequence_accuracy", "span_f1"],
        help="of the validation (default: span_f1 if all labels are tags such as B-NP, else "
        "token_accuracy)",
    )  # fmt: skip
    parser.add_argument("--checkpoint", metavar="FILE",
                        help="write the state of the training there as it goes on")  # fmt: skip
    parser.add_argument("--checkpoint-every", type=_positive_int, default=1, metavar="N",
                        help="passes between two of these (default: 1)")  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true",
        help="go on from the checkpoint, if there is one, to the model that a training without a "
        "break would have made",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="order of the examples (default: 0)")
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads")
    parser.add_argument("--scheduler", metavar="ADDRESS",
                        help="train on the workers of this Dask scheduler, such as "
                        "tcp://host:8786")  # fmt: skip
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")


def _add_tag(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="tag")
    parser.add_argument("model", help="a model file that train wrote")
    parser.add_argument("data", nargs="?", default="-",
                        help="column file or JSON lines (default: standard input, as it "
                        "comes)")  # fmt: skip
    _add_output(parser)
    _add_json(parser)
    parser.add_argument("--n-best", type=_few, metavar="N",
                        help="the N best taggings, up to 1,000: N columns, _ where there are "
                        "fewer; in JSON with scores")  # fmt: skip
    parser.add_argument(
        "--confidence", action="store_true",
        help="add how sure each tag is: its probability, where train had --calibrate, else its "
        "lead over the next best; in JSON that of the sentence, too",
    )  # fmt: skip
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="evaluate")
    parser.add_argument("data", nargs="+",
                        help="column files with labels, or JSON lines; without --model the last "
                        "column holds the tags to judge and the one before the labels")  # fmt: skip
    _add_json(parser)
    parser.add_argument("--partial", action="store_true",
                        help="labels _ are not known, and do not count")  # fmt: skip
    parser.add_argument("-m", "--model", help="tag the file with this model first")
    parser.add_argument("--scheme", default="conll", metavar="SCHEME",
                        choices=[name + end for end in ("", "-suffix")
                                 for name in ("conll", "iob1", "iob2", "iobes", "bilou")],
                        help="how spans are read: conll (the default), iob1, iob2, iobes, bilou; "
                        "with -suffix behind it for tags such as NP-B")  # fmt: skip
    parser.add_argument("--labels", action="store_true", help="report on every label")
    _add_output(parser)


def _add_train_parser(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="train_parser")
    parser.add_argument("data", help="CoNLL-U file with heads")
    parser.add_argument("-o", "--model", required=True, help="the model file to write")
    parser.add_argument("--order", type=int, choices=[1, 2, 3], default=2,
                        help="arcs, siblings or grand-siblings (default: 2)")  # fmt: skip
    parser.add_argument("--crossing", action="store_true",
                        help="arcs may cross; needs --order 1")  # fmt: skip
    parser.add_argument("--several-roots", action="store_true",
                        help="several tokens may have the root as head")  # fmt: skip
    parser.add_argument("--heads-only", action="store_true", help="learn no relations")
    parser.add_argument("--tag", choices=["upos", "xpos"], default="upos",
                        help="the column with tags (default: upos)")  # fmt: skip
    parser.add_argument("--bits", type=_positive_int, default=18, metavar="B",
                        help="hash features to 2**B lines of 128 bytes (default: 18)")  # fmt: skip
    parser.add_argument("-C", type=_positive, help="default: by the data")
    parser.add_argument("--solver", choices=["passive_aggressive", "perceptron", "bcfw"],
                        default="passive_aggressive",
                        help="default: passive_aggressive; bcfw has a certificate")  # fmt: skip
    parser.add_argument("--tol", type=_positive, help="relative duality gap to stop at, for bcfw "
                        "(default: 0.001)")  # fmt: skip
    parser.add_argument("--max-iter", type=_positive_int, metavar="N",
                        help="passes over the data at most")  # fmt: skip
    parser.add_argument("--validation", metavar="FILE",
                        help="CoNLL-U file that chooses the best pass")  # fmt: skip
    parser.add_argument("--patience", type=_positive_int, metavar="N",
                        help="stop after N passes without a better score on it")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="order of the sentences (default: 0)")
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")


def _add_parse(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="parse")
    parser.add_argument("model", help="a model file that train-parser wrote")
    parser.add_argument("data", nargs="?", default="-",
                        help="CoNLL-U file with words and tags (default: standard input, as it "
                        "comes)")  # fmt: skip
    _add_output(parser)
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads")


def _add_evaluate_parser(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="evaluate_parser")
    parser.add_argument("data", help="CoNLL-U file with the true trees")
    parser.add_argument("parsed", nargs="?", help="CoNLL-U file with the trees to judge")
    parser.add_argument("-m", "--model", help="parse the first file with this model instead")
    _add_output(parser)


def _add_dump(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="dump")
    parser.add_argument("model")
    parser.add_argument("-k", "--top", type=_positive_int, metavar="K",
                        help="only the K largest weights of each kind")  # fmt: skip
    _add_output(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true",
        help='JSON lines, as in files called .jsonl or .ndjson: {"tokens": [...], "tags": [...]} '
        "on each line, tokens being words, lists of columns, or objects of attributes",
    )  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="info")
    parser.add_argument("model")


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _order(text: str) -> int | str:
    if text not in ("1", "2", "auto"):
        raise argparse.ArgumentTypeError(f"{text} is none of 1, 2 and auto")
    return text if text == "auto" else int(text)


def _penalty(text: str) -> float | str:
    return text if text == "auto" else _positive(text)


def _numbers(text: str) -> list[float]:
    try:
        return [_positive(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _few(text: str) -> int:
    if (value := _positive_int(text)) > 1000:  # a column each
        raise argparse.ArgumentTypeError(f"{text} is above 1000")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    try:
        args = make_parser().parse_args(argv)
        with _ended_as_by_ctrl_c():
            return _done(args)
    finally:
        hang_up(sys.stdout)
        hang_up(sys.stderr)


def _done(args: argparse.Namespace) -> int:
    try:
        run = importlib.import_module(f"structsvm.cli.{args.command}").run
        code: int = run(args)
        return code
    except BrokenPipeError:
        return 0  # the reader has gone, as `| head` does: it wants no more
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, MemoryError) as error:
        command = args.command.replace("_", "-")
        tell(f"structsvm {command}: error: {_told(error)}")
        return 1


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Treat signals that end a process as Ctrl-C, unless they are ignored (as under nohup)."""
    ours = threading.current_thread() is threading.main_thread()
    taken = [s for s in _SIGNALS if ours and signal.getsignal(s) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
