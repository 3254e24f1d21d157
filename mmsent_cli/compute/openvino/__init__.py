"""Frozen encoder stages compiled by OpenVINO for a CPU."""
