"""Device, precision, threads, and the OpenVINO backend."""
