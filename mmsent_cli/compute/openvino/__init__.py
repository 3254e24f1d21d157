"""Frozen encoder stages, compiled by OpenVINO for the CPU."""
