"""The training inspector: edits, and what they mean for a run."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from engine import edits
from engine.clipping import ClipByGlobalNorm
from lab.inspector import TrainingInspector


@pytest.fixture
def inspector(document, session, shown):
    return shown(TrainingInspector(document, session))


def field(inspector, *path):
    form = inspector.form
    for name in path[:-1]:
        form = form.rows[name].editor.below.form
    return form.rows[path[-1]]


def retype(row, text):
    number = row.editor.number
    number.setFocus()
    number.selectAll()
    QTest.keyClicks(number, text)
    QTest.keyClick(number, Qt.Key.Key_Return)


def test_it_edits_the_document_step_by_step(inspector, document):
    before = document.experiment
    retype(field(inspector, "optimizer", "learning_rate"), "3e-3")
    assert document.experiment.training.optimizer.learning_rate == 3e-3
    assert "optimizer" in document.undo_label
    retype(field(inspector, "epochs"), "7")
    assert document.experiment.training.epochs == 7
    document.undo()
    document.undo()
    assert document.experiment is before
    assert field(inspector, "epochs").editor.number.text() == str(before.training.epochs)


def test_the_seed(inspector, document):
    row = inspector.seed_form.rows["seed"]
    retype(row, "123")
    assert document.experiment.seed == 123
    document.undo()
    assert row.editor.number.value == document.experiment.seed


def test_changes_from_elsewhere_are_shown(inspector, document):
    document.apply("Elsewhere", edits.set_path(document.experiment, "training.batch_size", 17))
    assert field(inspector, "batch_size").editor.number.text() == "17"


def test_live_fields_reach_the_run_at_once_and_undo_too(inspector, document, start, session, qtbot):
    start(document.experiment)
    rate = document.experiment.training.optimizer.learning_rate
    assert inspector.banner.text() and "at once" in inspector.banner.toolTip()
    retype(field(inspector, "optimizer", "learning_rate"), "0.0123")
    qtbot.waitUntil(lambda: session.experiment.training.optimizer.learning_rate == 0.0123)
    assert not field(inspector, "optimizer", "learning_rate").note.isVisible()
    document.undo()
    qtbot.waitUntil(lambda: session.experiment.training.optimizer.learning_rate == rate)


def test_other_fields_are_marked_until_the_run_ends(inspector, document, start, session, qtbot):
    start(document.experiment)
    before = document.experiment.training.batch_size
    retype(field(inspector, "batch_size"), "48")
    note = field(inspector, "batch_size").note
    assert note.text() == f"Edited since run: it trains with {before}."
    retype(inspector.seed_form.rows["seed"], "99")
    assert "trains with" in inspector.seed_form.rows["seed"].note.text()
    session.stop()
    qtbot.waitUntil(lambda: not session.active)
    assert not note.isVisible() and not inspector.banner.text()


def test_another_experiment_does_not_change_the_run(inspector, document, start, session, qtbot):
    from engine.presets import make

    start(document.experiment)
    rate = session.experiment.training.optimizer.learning_rate
    other = edits.set_path(make("spiral-mlp"), "training.optimizer.learning_rate", 0.77)
    document.replace(other)
    arrived = []
    session.eventArrived.connect(arrived.append)
    session.set_live("training.clipping", ClipByGlobalNorm(max_norm=3.0))
    qtbot.waitUntil(lambda: bool(arrived))
    assert [event.path for event in arrived if hasattr(event, "path")] == ["training.clipping"]
    assert session.experiment.training.optimizer.learning_rate == rate


def test_a_layers_live_field_reaches_the_run(inspector, document, session, qtbot):
    from engine.schema import lookup

    after = next(node.id for node in document.experiment.network.nodes if node.id.startswith("dense"))
    dropout = lookup("layer", "dropout")
    experiment = edits.add_node(document.experiment, dropout(rate=0.2), after=after, node_id="drop")
    document.apply("Add dropout", experiment)
    session.start(document.experiment)
    qtbot.waitUntil(lambda: session.state == "running")
    document.apply("More dropout", edits.set_field(document.experiment, "drop", "rate", 0.4))
    qtbot.waitUntil(lambda: session.experiment.network.node("drop").component.rate == 0.4)


def test_it_works_without_a_session(document, shown):
    inspector = shown(TrainingInspector(document))
    retype(field(inspector, "epochs"), "3")
    assert document.experiment.training.epochs == 3


def test_no_field_moves_when_a_run_begins_or_ends(inspector, document, start, session, qtbot):
    def places():
        seen = []

        def settled():
            seen.append([row.mapTo(inspector, QPoint()) for row in inspector.form.rows.values()])
            return len(seen) > 1 and seen[-1] == seen[-2]

        qtbot.waitUntil(settled)
        return seen[-1]

    before = places()
    start(document.experiment)
    assert places() == before
    session.stop()
    qtbot.waitUntil(lambda: not session.active)
    assert places() == before


def test_another_optimizer_leaves_the_run_as_it_is(inspector, document, start, session, qtbot):
    from engine.schema import lookup

    start(document.experiment)
    rate, before = session.experiment.training.optimizer.learning_rate, type(session.experiment.training.optimizer)
    other = next(kind for kind in (lookup("optimizer", "adam"), lookup("optimizer", "sgd")) if kind is not before)
    document.apply("Another", edits.set_path(document.experiment, "training.optimizer", other(learning_rate=0.321)))
    document.apply("Faster", edits.set_path(document.experiment, "training.optimizer.learning_rate", 0.654))
    session.set_live("training.clipping", ClipByGlobalNorm(max_norm=3.0))
    qtbot.waitUntil(lambda: session.experiment.training.clipping == ClipByGlobalNorm(max_norm=3.0))
    assert type(session.experiment.training.optimizer) is before
    assert session.experiment.training.optimizer.learning_rate == rate
