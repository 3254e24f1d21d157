"""What settings are called elsewhere, and the settings that are meant by an unknown name."""

import difflib
from collections.abc import Iterable

LIKENESS = 0.75
"""Share of common letters from which an unknown name is taken for a misspelt one."""
USUAL_NAMES = {
    "encoders": ("model", "model_name", "encoder", "backbone", "pretrained", "arch"),
    "text_encoder": ("text_model", "bert", "language_model"),
    "image_encoder": ("image_model", "vision_model", "cnn"),
    "fusion": ("fusion_type", "fusion_method"),
    "checkpoint": ("model", "model_path", "checkpoint_path", "ckpt", "weights", "load"),
    "weights_dir": ("weights",),
    "data": ("input", "inputs", "dataset", "data_dir", "data_path", "data_folder", "train_file", "file", "path"),
    "out": ("output", "output_file", "output_path", "save"),
    "runs_dir": ("output_dir", "out_dir", "save_dir", "log_dir", "results_dir"),
    "head_lr": ("learning_rate", "lr"),
    "encoder_lr": ("learning_rate", "lr", "bert_lr", "backbone_lr"),
    "rates": ("learning_rate", "lr", "learning_rates"),
    "batch_size": ("batch", "bs", "train_batch_size", "per_device_train_batch_size"),
    "accumulation_steps": ("gradient_accumulation_steps", "grad_accum", "accumulate"),
    "epochs": ("num_epochs", "n_epochs", "num_train_epochs", "max_epochs", "epoch", "iterations"),
    "weight_decay": ("wd", "l2"),
    "warmup": ("warmup_ratio", "warmup_steps"),
    "schedule": ("scheduler", "lr_scheduler", "lr_scheduler_type", "lr_schedule"),
    "max_grad_norm": ("grad_clip", "clip", "clip_grad_norm", "gradient_clip"),
    "patience": ("early_stopping", "early_stop"),
    "monitor": ("metric", "metric_for_best_model"),
    "head_dropout": ("dropout", "drop_rate"),
    "head_hidden": ("hidden", "hidden_size", "hidden_dim"),
    "max_length_tokens": ("max_length", "max_len", "max_seq_length", "max_seq_len"),
    "image_size_px": ("image_size", "img_size", "imgsz", "resolution"),
    "val_size": ("test_size", "val_split", "validation_split", "valid_size", "val_ratio"),
    "split_seed": ("seed", "split_random_state"),
    "seed": ("random_seed", "random_state", "manual_seed"),
    "folds": ("k", "k_folds", "num_folds", "n_folds", "n_splits", "cv"),
    "trials": ("n_trials", "num_trials"),
    "device": ("gpu", "gpus", "cuda", "gpu_id", "cpu", "accelerator"),
    "precision": ("fp16", "bf16", "amp", "mixed_precision", "dtype"),
    "workers": ("num_workers", "n_workers", "dataloader_num_workers"),
    "jobs": ("n_jobs", "parallel", "threads"),
    "text_column": ("text_col", "sentence_column"),
    "image_column": ("image_col", "img_column", "image_path_column"),
    "tag_column": ("label_column", "label_col", "target", "target_column", "class_column"),
    "guid_column": ("id_column", "id_col", "index_column"),
    "labels": ("classes", "class_names", "label_names"),
    "limit": ("max_samples", "num_samples", "n_samples", "subset", "max_train_samples"),
    "lang": ("language", "locale"),
    "log": ("tracker", "report_to", "logger", "wandb"),
    "force": ("overwrite", "yes", "overwrite_output_dir"),
    "resume": ("resume_from_checkpoint", "continue"),
    "offline": ("local_files_only",),
}
"""The usual names of settings in this field, by the name of the setting here."""


def meant_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the settings that an unknown name may mean: those that are usually called so, else similar ones.

    Args:
        name: the unknown name, with underscores.
        known: the settings that there are, with underscores.
    """
    known = list(known)
    usual = [setting for setting in known if name in USUAL_NAMES.get(setting, ())]
    return usual or difflib.get_close_matches(name, known, n=3, cutoff=LIKENESS)
