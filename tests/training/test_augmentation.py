"""Rows of a step change by bits that follow from replicate and step alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sweep.spec.augment import AugmentSpec, Kind
from sweep.spec.losses import LossSetting
from sweep.spec.tasks import TASKS
from sweep.training import augmentation
from sweep.training.augmentation import Augmenter, Mixed, random_bits
from sweep.training.counters import draw_key
from sweep.training.losses import LOSSES

SHAPE = (2, 5, 4)


def rows(lanes: int = 3, batch: int = 64) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(lanes, batch, *SHAPE, generator=draw) + 1
    return x, torch.randint(0, 3, (lanes, batch), generator=draw)


def changed(kind: Kind, key: Tensor | None = None, **keys: Any) -> tuple[Tensor, Any]:
    x, y = rows()
    key = torch.arange(3) if key is None else key
    return Augmenter([AugmentSpec(type=kind, **keys)], SHAPE, x)(x, y, key)


KINDS: list[Kind] = ["flip", "crop", "noise", "mixup"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_lane_has_the_same_rows_beside_any_others(kind: Kind) -> None:
    x, y = rows()
    together, _ = changed(kind)
    for lane in range(3):
        part = slice(lane, lane + 1)
        augmenter = Augmenter([AugmentSpec(type=kind)], SHAPE, x)
        alone, _ = augmenter(x[part], y[part], torch.arange(3)[part])
        assert torch.equal(alone[0], together[lane])


@pytest.mark.parametrize("kind", KINDS)
def test_another_step_or_replicate_changes_rows_otherwise(kind: Kind) -> None:
    x, y = rows(1)
    augmenter = Augmenter([AugmentSpec(type=kind)], SHAPE, x)
    keys = [
        draw_key(torch.tensor([replicate]), torch.tensor([step]), 0)
        for replicate in (0, 1) for step in (0, 1)
    ]  # fmt: skip
    outs = [augmenter(x, y, key)[0] for key in keys]
    assert all(not torch.equal(outs[0], other) for other in outs[1:])
    assert torch.equal(augmenter(x, y, keys[0])[0], outs[0])


def test_half_of_the_images_are_mirrored_and_no_pixel_is_lost() -> None:
    x, (out, _) = rows()[0], changed("flip")
    same = (out == x).flatten(2).all(2)
    mirrored = (out == x.flip(-1)).flatten(2).all(2)
    assert (same ^ mirrored).all() and 0.3 < mirrored.float().mean() < 0.7


@pytest.mark.parametrize("pad", [1, 3])
def test_images_move_everywhere_up_to_pad_pixels_on_zeros(pad: int) -> None:
    x, (out, _) = rows()[0], changed("crop", pad=pad)
    assert x.all()  # so zeros tell what came in
    found = set()
    for lane in range(3):
        for image, was in zip(out[lane], x[lane], strict=True):
            lies = image.nonzero()
            if not len(lies):
                continue
            padded = torch.nn.functional.pad(was, (pad,) * 4)
            places = [
                (down, right)
                for down in range(2 * pad + 1) for right in range(2 * pad + 1)
                if torch.equal(padded[:, down : down + 5, right : right + 4], image)
            ]  # fmt: skip
            assert len(places) == 1
            found.add(places[0])
    assert len(found) > 0.9 * (2 * pad + 1) ** 2


def test_noise_is_normal_of_the_deviation_given() -> None:
    x, (out, _) = rows()[0], changed("noise", std=0.3)
    noise = (out - x).double().flatten() / 0.3
    assert abs(float(noise.mean())) < 0.05 and abs(float(noise.std()) - 1) < 0.05
    assert abs(float((noise.abs() < 0.674).double().mean()) - 0.5) < 0.03


def test_shares_of_mixup_are_beta_and_mix_rows_as_targets() -> None:
    x, y = rows(2000, 4)
    out, mixed = Augmenter([AugmentSpec(type="mixup", alpha=2.0)], SHAPE, x)(
        x, y, torch.arange(2000)
    )
    assert isinstance(mixed, Mixed) and mixed.of_one.shape == (2000, 4)
    share = mixed.of_one[:, :1]
    assert torch.equal(mixed.of_one, share.expand(-1, 4))
    torch.testing.assert_close(mixed.of_one + mixed.of_other, torch.ones(2000, 4))
    assert abs(float(share.mean()) - 0.5) < 0.02
    assert abs(float(share.var()) - 1 / 20) < 0.005  # of Beta(2, 2)
    assert torch.equal(mixed.one, y)
    shares = share[..., None, None, None]
    shifts = [(shares * x + (1 - shares) * x.roll(-by, 1)) for by in range(4)]
    is_shift = torch.stack([(out == each).flatten(1).all(1) for each in shifts])
    assert is_shift.any(0).all() and (is_shift.sum(1) > 300).all()
    for by in range(4):
        lanes = is_shift[by] & ~is_shift[[k for k in range(4) if k != by]].any(0)
        assert torch.equal(mixed.other[lanes], y.roll(-by, 1)[lanes])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_loss_of_mixed_targets_is_mixed(task: str) -> None:
    draw = torch.Generator().manual_seed(0)
    out = torch.randn(2, 5, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    one, other = (torch.randint(0, 3, (2, 5), generator=draw) for _ in range(2))
    if task == "regression":
        one, other = one.double(), other.double()
    share = torch.tensor([[0.2], [0.9]]).double().expand(2, 5)
    loss = LOSSES[TASKS[task].losses[0]](LossSetting("auto"))
    mixed = augmentation.mixing(loss)
    target: Any = Mixed(one, other, share, 1 - share)
    got = mixed.rows(out, target)
    torch.testing.assert_close(
        got, share * loss.rows(out, one) + (1 - share) * loss.rows(out, other)
    )
    if task == "regression":
        return
    (grad,) = torch.autograd.grad(got.mean(1).sum(), out)
    torch.testing.assert_close(mixed.slope(out.detach().mT, target).mT, grad)


def test_bits_of_two_lanes_have_nothing_in_common() -> None:
    bits = random_bits(torch.tensor([1, 2]), 4096)
    assert bits.min() >= 0 and bits.max() < 2**32
    agree = ((bits[0] ^ bits[1]) & 1 == 0).float().mean()
    assert 0.45 < agree < 0.55


# --- planted faults


def test_bits_by_the_slot_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_slot(key: Tensor, n: int) -> Tensor:
        return random_bits(torch.arange(len(key)), n)

    monkeypatch.setattr(augmentation, "random_bits", by_slot)
    with pytest.raises(AssertionError):
        test_a_lane_has_the_same_rows_beside_any_others("flip")
