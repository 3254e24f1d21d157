"""The scores of the published BERT + ResNet18 setup: best validation accuracies of single runs on MVSA-Single.

Source: the report of that course system. Its weight decays were tried at the best rate, so the first of them repeats
the best rate's setting: 75.12 % and 74.50 % are two runs of one thing.
"""

from mmsent_cli.results import Published, PublishedArm, PublishedTrial, TuneResult

RATES = {
    "learning rate 1e-5": 0.7275,
    "learning rate 2e-5": None,
    "learning rate 3e-5": None,
    "learning rate 5e-5": 0.7512,
}
DECAYS = {"weight decay 1e-4": 0.7450, "weight decay 3e-4": 0.7512, "weight decay 5e-4": 0.7350}
FUSIONS = (
    PublishedArm(name="concat", accuracy=0.7462, epoch=4, train_loss=0.6147, val_loss=0.7448),
    PublishedArm(name="weighted", accuracy=0.7575, epoch=10, train_loss=0.3438, val_loss=0.7967),
    PublishedArm(name="self-attention", accuracy=0.7512, epoch=3, train_loss=0.6687, val_loss=0.7391),
    PublishedArm(name="early", accuracy=0.7488, epoch=9, train_loss=0.3992, val_loss=0.9907),
    PublishedArm(name="clip", accuracy=0.7063, epoch=9, train_loss=0.4233, val_loss=0.8834),
    PublishedArm(name="blip", accuracy=0.7438, epoch=4, train_loss=0.6333, val_loss=0.7472),
    PublishedArm(name="blip-advanced", accuracy=0.7462, epoch=4, train_loss=0.5670, val_loss=0.7683),
)


def published_scores(tuned: TuneResult) -> Published:
    """Return the published scores, each tuning step with the number of our trial that does the same."""
    rates = [trial for trial in tuned.trials if trial.phase == "rates"]
    decays = [trial for trial in tuned.trials if trial.phase == "decays"]
    kept = {name: value for name, value in decays[0].settings.items() if name != "weight_decay"}
    best_rate = next(trial for trial in rates if kept.items() <= trial.settings.items())
    steps = [
        *zip(RATES.items(), rates, strict=True),
        *zip(DECAYS.items(), (best_rate, *decays), strict=True),
    ]
    return Published(
        name="the published BERT + ResNet18 setup",
        source="report of a student project on MVSA-Single (Niu et al. 2016); no public address of it is known",
        set_up="BERT-base and ResNet18, the last two text layers and the last image stage trained, 10 epochs, one seed",
        val_pairs=800,
        tune=tuple(
            PublishedTrial(name=name, accuracy=accuracy, trial=trial.number) for (name, accuracy), trial in steps
        ),
        train=0.7538,
        ablation={"both": 0.7538, "text": 0.5988, "image": 0.6488},
        fusions=FUSIONS,
        augmentation=(PublishedArm(name="none", accuracy=0.7438), PublishedArm(name="standard", accuracy=0.7500)),
        repeated=(0.7512, 0.7450),
    )
