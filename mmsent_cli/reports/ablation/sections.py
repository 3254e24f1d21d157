"""An ablation as parts of a page: the answer, then inputs, contributions, interaction, classes."""

from mmsent_cli.reports.ablation.figures import ACCURACY, CONTRIBUTIONS
from mmsent_cli.reports.ablation.tables import (
    agreement_grid,
    class_grids,
    emap_grid,
    inputs_grid,
    recalls_grid,
    shapley_grid,
)
from mmsent_cli.reports.ablation.text import QUESTION, findings_text, headline
from mmsent_cli.reports.blocks import Answer, Figures, Section, picture
from mmsent_cli.reports.facts import checkpoint_facts
from mmsent_cli.reports.format import duration
from mmsent_cli.results import AblateResult


def ablate_answer(result: AblateResult, seconds: float) -> Answer:
    """Make the head of the page. `seconds` is the duration of the experiment."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(*checkpoint_facts(result), ("Time", duration(seconds))),
        notes=result.notes,
    )


def ablate_sections(result: AblateResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    accuracy = picture(
        figures.get(ACCURACY),
        "Accuracy by the model's inputs",
        "Accuracy with its 95 % interval, with both modalities and with one alone, by how the other was removed.",
    )
    contributions = picture(
        figures.get(CONTRIBUTIONS),
        "Contributions of text and image, and which modality alone is right",
        "Above: what each modality adds to the accuracy, by how the other was removed. Below: the share of the pairs "
        "that the model predicts correctly from the text alone or from the image alone.",
    )
    return [
        Section(title="With one modality or both", pictures=accuracy, grids=(inputs_grid(result),)),
        Section(
            title="Contributions of the modalities",
            pictures=contributions,
            grids=(shapley_grid(result), agreement_grid(result)),
        ),
        Section(title="Interaction", grids=(emap_grid(result),)),
        Section(title="Classes", grids=(recalls_grid(result),), folded=class_grids(result)),
    ]
