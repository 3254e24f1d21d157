"""An ablation as parts of a page: the answer, what the model sees, contributions, interaction, classes, methods."""

from mmsent_cli.reports.ablation.figures import contributions_png, views_png
from mmsent_cli.reports.ablation.tables import (
    agreement_grid,
    class_grids,
    emap_grid,
    recalls_grid,
    shapley_grid,
    views_grid,
)
from mmsent_cli.reports.ablation.text import QUESTION, findings_text, headline, methods_text
from mmsent_cli.reports.blocks import Answer, Figures, Section, filled, picture
from mmsent_cli.reports.facts import checkpoint_facts
from mmsent_cli.reports.format import duration
from mmsent_cli.results import AblateResult


def ablate_answer(result: AblateResult, seconds: float) -> Answer:
    """The head of the page; `seconds` is how long the experiment took."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(*checkpoint_facts(result), ("Time", duration(seconds))),
        notes=result.notes,
    )


def ablate_figures(result: AblateResult) -> Figures:
    """Accuracy by what the model sees; contributions and agreement, where there are any."""
    drawn = {"ablation.png": views_png(result), "contributions.png": contributions_png(result)}
    return {name: png for name, png in drawn.items() if png is not None}


def ablate_sections(result: AblateResult, figures: Figures) -> list[Section]:
    """All parts below the head, those without content left out."""
    views = picture(
        figures.get("ablation.png"),
        "Accuracy by what the model sees",
        "Accuracy with its 95 % interval by what the model sees. Blue: text, orange: image, grey: both.",
    )
    contributions = picture(
        figures.get("contributions.png"),
        "Contributions of text and image, and which of them is right",
        "Above: what each modality adds to the accuracy, by how the other was taken away. Below: on which share of the "
        "pairs the model is right when it sees the text alone or the image alone.",
    )
    return filled(
        [
            Section(title="With one modality or both", pictures=views, grids=(views_grid(result),)),
            Section(
                title="Who contributes what",
                pictures=contributions,
                grids=(shapley_grid(result), agreement_grid(result)),
            ),
            Section(title="Interaction", grids=(emap_grid(result),)),
            Section(title="Classes", grids=(recalls_grid(result),), folded=class_grids(result)),
            Section(title="How it was measured, and what it cannot show", paragraphs=tuple(methods_text(result))),
        ]
    )
