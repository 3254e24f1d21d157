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
from mmsent_cli.reports.blocks import Answer, Section, filled, picture
from mmsent_cli.reports.tables import percent
from mmsent_cli.reports.tables import seconds as duration
from mmsent_cli.results import AblateResult


def ablate_facts(result: AblateResult, seconds: float) -> list[tuple[str, str]]:
    """Whose checkpoint, on which pairs."""
    return [
        ("Checkpoint", result.checkpoint),
        ("Trained by", f"{result.trained_by}, epoch {result.epoch}"),
        ("Encoders", result.encoders),
        ("Fusion", result.fusion),
        ("Pairs", f"{result.val_pairs:,}, {result.source}"),
        ("Classes", ", ".join(result.labels)),
        ("Most frequent class", f"{percent(result.majority_accuracy)} of the pairs"),
        ("Time", duration(seconds)),
    ]


def ablate_answer(result: AblateResult, seconds: float) -> Answer:
    """The head of the page; `seconds` is how long the experiment took."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=tuple(ablate_facts(result, seconds)),
        notes=result.notes,
    )


def ablate_sections(result: AblateResult) -> list[Section]:
    """All parts below the head, those without content left out."""
    views = picture(
        views_png(result),
        "Accuracy by what the model sees",
        "Accuracy with its 95 % interval by what the model sees. Blue: text, orange: image, grey: both.",
    )
    contributions = picture(
        contributions_png(result),
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
