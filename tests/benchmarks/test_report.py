from __future__ import annotations

import json

from benchmarks import report

MACHINE = {"cores": 2, "cpu": "Some CPU", "load_before": 0.5}


def spread(median):
    return {"median": median, "min": median * 0.9, "max": median * 1.1, "rounds": [median]}


def contender(p50, rate, mean_batch=None):
    return {"p50_us": spread(p50), "rates": spread(rate), "mean_batch": mean_batch}


def write(folder, **files):
    for name, results in files.items():
        (folder / f"{name}.json").write_text(json.dumps({"machine": MACHINE, **results}))


def test_goals_of_files_that_state_none_are_judged_here(tmp_path):
    write(
        tmp_path,
        hop={"cases": {"avro": {"ratio": 0.49}}},
        score={"cases": {"no_op x32": {"rate_to_starlette": 0.8}, "tf_sp500_lstm x1": {"added_p50_us": 101.0}}},
        durability={"cases": {"disk x32": {"ratio": 2.5}}},
    )
    goals = list(report.goals_of(report.read(tmp_path)))
    assert [(goal["is"], goal["is_met"]) for goal in goals] == [
        (0.49, False),
        (101.0, False),
        (0.8, True),
        (2.5, False),
    ]


def test_figures_of_before_a_goal_was_measured_and_no_figures_at_all_give_none(tmp_path):
    assert list(report.goals_of(report.read(tmp_path))) == []
    write(tmp_path, score={"cases": {"no_op x32": {"ratio": 1.0}}}, hop={"cases": {}})
    assert list(report.goals_of(report.read(tmp_path))) == []


def test_a_goal_that_was_not_shown_is_not_met_in_the_table(tmp_path, capsys):
    goal = {"what": "rate", "is": 9.0, "goal": ">= 3", "mean_batch": 2.0, "is_met": None}
    write(tmp_path, files={"n_records": 10, "cases": {}, "goals": [goal]})
    report.main(["--results", str(tmp_path)])
    said = capsys.readouterr().out
    assert "| rate | 9 | >= 3 | 2.0 | not shown: batches of 2, and 8 are the least |" in said
    assert "load 0.5 before it began" in said


def test_pictures_are_drawn_of_what_there_is(tmp_path, capsys):
    engine = {"us": spread(150.0), "mean_batch": 50.0}
    growth = [{"n_keys": n_keys, "n_records": n, "us": spread(5.0)} for n_keys in (20, 1000) for n in (10_000, 100_000)]
    one = {"raw": contender(300.0, 3000.0), "engine": contender(400.0, 6000.0, 20.0)}
    write(
        tmp_path,
        serving={"cases": {"window x1": {"contenders": one}, "window x32": {"contenders": one}}},
        files={"n_records": 10, "cases": {"1 key": {"contenders": {"engine": engine}}}},
        growth={"parts": {"mean": growth}},
        inference={"networks": {"100": {"ONNX, cpu, 1 thread": {"1": spread(1e3), "64": spread(5e3)}}, "512": {}}},
    )
    report.main(["--results", str(tmp_path)])
    drawn = sorted(path.name for path in tmp_path.glob("*.png"))
    assert drawn == ["files.png", "growth.png", "inference.png", "serving.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in drawn)
    assert "drawn: " in capsys.readouterr().out
