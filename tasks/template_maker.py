r"""Labelled rows through prompt templates: PromptSource's prompts, P3's rows, Flan's four kinds of prompt.

Maker `template`. Every child of a row takes another template, in an order drawn for the row: `children = 1`
is one random template per row (Flan), `children` = number of templates is every row through every template
(P3). Kinds (Longpre et al. 2023, arXiv 2301.13688): zero-shot or few-shot, with or without the answers to
choose from; one of `kinds` is drawn for each sample. A template without answer choices shows no options.

    zero            prompt
    zero_options    prompt, blank line, "OPTIONS:" and one line "- answer" each
    few, few_options  `n_shots` filled examples of the same template before it, blank lines between

What is compared of a sample is its own prompt and target: examples shown before it are the same for many.
"""

import random
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from schemas.errors import BadInput
from schemas.ids import seed_for
from schemas.slot import Part
from tasks.instruction_replies import instance_text
from tasks.makers import Given, maker
from tasks.options import checked
from tasks.prompt_templates import Filled, PromptTemplate, Unfillable, fault, fill
from tasks.replies import Piece

PLACE = 'make = "template"'


class TemplateOptions(Part):
    """How labelled rows become prompts."""

    templates: list[PromptTemplate] = []
    templates_file: str = ""  # a TOML file of [[templates]], instead
    kinds: list[Literal["zero", "zero_options", "few", "few_options"]] = Field(default=["zero"], min_length=1)
    shots: list[dict[str, Any]] = []  # rows that few-shot prompts show
    n_shots: int = Field(default=3, ge=1)
    rows: Literal["labelled", "p3"] = "labelled"  # p3: prompts already, {inputs, targets, answer_choices}


@maker("template", gives=("template", "kind", "answer_choices", "targets"))
def make_prompted(given: Given) -> list[Piece]:
    """One sample of a labelled row.

    Raises:
        BadInput: for an unknown option, no template, or more children than templates.
    """
    options = checked(TemplateOptions, given.options, PLACE)
    row, child = given.parent["slots"], given.values.get("child", 0)
    if options.rows == "p3":
        return [_p3(row)]
    template = _template(options, given.parent["sample_id"], child)
    draw = random.Random(given.seed)
    kind = draw.choice(options.kinds)
    try:
        filled = fill(template, row, given.seed)
        shots = _shots(options, template, row, draw) if kind.startswith("few") else []
    except Unfillable as error:
        return [Piece(given.parent["text"], str(error), slots={"template": template.name, "kind": kind})]
    return [_piece(filled, shots, template.name, kind)]


def read_templates(path: Path) -> list[PromptTemplate]:
    """The templates of a TOML file: [[templates]] with name, jinja and answer_choices.

    Raises:
        BadInput: the file cannot be read, or a template lacks something.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return [PromptTemplate.model_validate(each) for each in told["templates"]]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise BadInput(f"templates_file {path}: {error}; known: a TOML file of [[templates]]") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"templates_file {path}, templates.{place}: {first['msg']}") from error


@cache
def _file(name: str) -> list[PromptTemplate]:
    return read_templates(Path(name))


def _template(options: TemplateOptions, row_id: str, child: int) -> PromptTemplate:
    """The template of a child: the child-th of the order that was drawn for the row."""
    known = _file(options.templates_file) if options.templates_file else options.templates
    if child >= len(known):
        raise BadInput(f"{PLACE}: children = {child + 1} or more, but there are only {len(known)} templates")
    return random.Random(seed_for("template", row_id)).sample(known, len(known))[child]


def _shots(
    options: TemplateOptions, template: PromptTemplate, row: dict[str, Any], draw: random.Random
) -> list[Filled]:
    """Examples to show before a row, never the row itself."""
    others = [shot for shot in options.shots if any(row.get(key) != value for key, value in shot.items())]
    if not others:
        raise BadInput(f"{PLACE}: few-shot prompts need `shots`, rows that are not the one that is asked")
    shown = draw.sample(others, min(options.n_shots, len(others)))
    filled = [fill(template, shot, draw.getrandbits(63)) for shot in shown]
    return [each for each in filled if fault(each) is None]


def _piece(filled: Filled, shots: list[Filled], template: str, kind: str) -> Piece:
    asked = _asked(filled, kind)
    target = filled.targets[0] if filled.targets else ""
    before = [f"{_asked(shot, kind)}\n\n{shot.targets[0]}" for shot in shots]
    slots = {
        "template": template, "kind": kind, "answer_choices": filled.answer_choices, "targets": filled.targets
    }  # fmt: skip
    text = instance_text(filled.prompt, "", target)
    return Piece(text, fault(filled), "", target, "\n\n".join([*before, asked]), slots=slots)


def _asked(filled: Filled, kind: str) -> str:
    if not kind.endswith("options") or not filled.answer_choices:
        return filled.prompt
    return "\n".join([f"{filled.prompt}\n\nOPTIONS:", *(f"- {each}" for each in filled.answer_choices)])


def _p3(row: dict[str, Any]) -> Piece:
    """A row that is a prompt already; `targets` is one text or several."""
    prompt, targets = row.get("inputs"), row.get("targets")
    accepted = [targets] if isinstance(targets, str) else targets
    texts = [each.strip() for each in accepted if isinstance(each, str)] if isinstance(accepted, list) else []
    filled = Filled(prompt.strip() if isinstance(prompt, str) else "", [each for each in texts if each], None)
    return _piece(filled._replace(answer_choices=row.get("answer_choices") or None), [], "p3", "zero")
