import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from client_app import pretrain_backbone
from client_app.backbones import loading
from client_app.backbones.pretraining import examples, learning, measuring, publishing
from client_app.backbones.pretraining.recipe import Recipe, new_model, new_tokenizer
from client_app.data.digitgrid import handwriting, pretraining
from client_app.data.digitgrid.handwriting import Handwriting
from strategies.common import seeds
from strategies.common.errors import NectarError, SettingsError, StoreError

SHORT = Recipe(steps=4, batch_size=4, warmup_steps=2)
QUIET = Console(file=io.StringIO())


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain_backbone, "_PICTURES", 8)


@pytest.fixture(scope="module")
def sheet() -> Handwriting:
    return handwriting.load()


def test_every_word_of_the_pictures_has_a_token_and_fits(sheet: Handwriting) -> None:
    tokenizer = new_tokenizer()
    batch = pretraining.draw(sheet, 200, seeds.generator(0, "words"))
    for gaps in (
        examples.masked_captions(batch.captions, tokenizer, 0.3, seeds.generator(0, "gaps")),
        examples.masked_answers(batch.questions, batch.answers, tokenizer),
    ):
        assert not (gaps.tokens == tokenizer.unk_token_id).any()
        assert not (gaps.words == tokenizer.unk_token_id).any()
        assert (gaps.tokens == tokenizer.sep_token_id).sum() == 200  # nothing was cut


def test_gaps_hide_words_and_never_marks() -> None:
    tokenizer = new_tokenizer()
    captions = ["red 3 at top left , blue 7 at bottom right"] * 300
    gaps = examples.masked_captions(captions, tokenizer, 0.3, seeds.generator(0, "gaps"))
    whole = tokenizer(captions[0])["input_ids"]
    assert gaps.tokens.masked_fill(gaps.asked, 0).max() < len(tokenizer)
    restored = gaps.tokens.clone()
    restored[gaps.asked] = gaps.words
    assert (restored == torch.tensor(whole)).all()
    assert (gaps.tokens[gaps.asked] == tokenizer.mask_token_id).all()
    assert not gaps.asked[:, [0, -1]].any()  # [CLS] and [SEP]
    assert 0.27 < gaps.asked[:, 1:-1].float().mean() < 0.33


def test_every_caption_has_a_gap_even_at_the_smallest_share() -> None:
    gaps = examples.masked_captions(["red 3", "blue 7"], new_tokenizer(), 0.0, torch.Generator())
    assert gaps.asked.sum(dim=1).tolist() == [1, 1]


def test_answers_belong_at_the_end_of_their_questions() -> None:
    tokenizer = new_tokenizer()
    gaps = examples.masked_answers(["how many is red ?", "is top left ?"], ["2", "yes"], tokenizer)
    assert tokenizer.convert_ids_to_tokens(gaps.words.tolist()) == ["2", "yes"]
    rows = [tokenizer.convert_ids_to_tokens(row) for row in gaps.tokens.tolist()]
    assert rows[0] == ["[CLS]", "how", "many", "is", "red", "?", "[MASK]", "[SEP]"]
    assert rows[1] == ["[CLS]", "is", "top", "left", "?", "[MASK]", "[SEP]", "[PAD]"]


def test_loss_falls(sheet: Handwriting) -> None:
    course = replace(SHORT, steps=40, batch_size=8, warmup_steps=5)
    tokenizer = new_tokenizer()
    model = new_model(course, len(tokenizer))
    losses: list[float] = []
    learning.learn(model, tokenizer, sheet, course, lambda _step, loss: losses.append(loss))
    assert len(losses) == 40
    # From no better than blindly among 37 words to knowing which words go where.
    assert losses[0] > math.log(37)
    assert sum(losses[-10:]) / 10 < math.log(37) - 0.5


def test_learning_draws_from_no_global_generator(sheet: Handwriting) -> None:
    before = torch.get_rng_state()
    tokenizer = new_tokenizer()
    model = new_model(SHORT, len(tokenizer))
    learning.learn(model, tokenizer, sheet, SHORT, lambda _step, _loss: None)
    measuring.measure(model, tokenizer, sheet, SHORT, pictures=8)
    assert torch.equal(before, torch.get_rng_state())


def test_questions_and_captions_take_turns(
    sheet: Handwriting, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []
    for kind in ("masked_captions", "masked_answers"):
        make = getattr(examples, kind)

        def record(*arguments: object, kind: str = kind, make: object = make) -> object:
            kinds.append(kind)
            return make(*arguments)

        monkeypatch.setattr(examples, kind, record)
    tokenizer = new_tokenizer()
    model = new_model(SHORT, len(tokenizer))
    learning.learn(model, tokenizer, sheet, SHORT, lambda _step, _loss: None)
    assert kinds == ["masked_answers", "masked_captions"] * 2


def test_the_step_size_rises_and_falls_to_nothing() -> None:
    course = replace(SHORT, steps=100, warmup_steps=10)
    factors = [learning._learning_rate_factor(step, course) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)


def test_the_same_seed_gives_the_same_backbone_and_another_another(tmp_path: Path) -> None:
    digests = [
        pretrain_backbone.pretrain(replace(SHORT, seed=seed), tmp_path / name, False, QUIET)[0]
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_command_writes_what_digitgrid_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "backbones"
    command = ["--steps", "2", "--batch-size", "4"]
    out = ["--out", str(cache / "digitgrid")]
    assert pretrain_backbone.main([*command, *out]) == 0
    backbone = loading.load("digitgrid", torch.device("cpu"), cache)
    told = capsys.readouterr().out
    assert f"sha256 {backbone.sha256}" in told
    assert "answers" in told
    assert (backbone.feature_dim, backbone.image_size) == (64, 32)
    read = backbone.read(["what digit is at top left ?"])
    assert backbone.module.config.readout == "mask"
    assert read.tokens[0, -2] == new_tokenizer().mask_token_id
    card = json.loads((cache / "digitgrid" / publishing.CARD).read_text())
    assert card["recipe"]["steps"] == 2
    assert card["accuracy on held-out handwriting"]["pictures"] == 8
    assert [path.name for path in cache.iterdir()] == ["digitgrid"]
    # Nothing is replaced unasked.
    assert pretrain_backbone.main([*command, *out]) == 1
    assert "give --replace" in capsys.readouterr().err
    assert pretrain_backbone.main([*command, *out, "--replace", "--seed", "1"]) == 0
    assert loading.load("digitgrid", torch.device("cpu"), cache).sha256 != backbone.sha256


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = new_tokenizer()
    model = new_model(SHORT, len(tokenizer))
    folder = tmp_path / "made"
    publishing.publish(model, tokenizer, {"first": True}, folder)
    # A service under another account reads the weights as it reads all else.
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(tokenizer), "save_pretrained", fail)
    with pytest.raises(StoreError, match=r"cannot be written \(disk full\)"):
        publishing.publish(model, tokenizer, {"first": False}, folder)
    assert json.loads((folder / publishing.CARD).read_text()) == {"first": True}
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_an_existing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected no folder yet"):
        pretrain_backbone.pretrain(SHORT, tmp_path, False, QUIET)


@pytest.mark.parametrize("place", ["file", "file/model", "thesis"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years")
    monkeypatch.setattr(pretrain_backbone.learning, "learn", None)
    with pytest.raises(NectarError, match=f"--out .*{place}: "):
        pretrain_backbone.pretrain(SHORT, tmp_path / place, True, QUIET)
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--seed", "x"]])
def test_numbers_out_of_range_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        pretrain_backbone.main(arguments)
