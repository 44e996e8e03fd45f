"""Statistics, parsing and drawing, without a proxy.

python3 -m unittest discover -s benches/compare -t benches/compare
"""

import json
import tempfile
import unittest
from pathlib import Path
from xml.dom import minidom

from harness import (
    calls,
    crowd,
    goals,
    instructions,
    machine,
    plots,
    report,
    results,
    rows,
    stats,
    tools,
)
from harness.load import Window
from harness.processes import Failed
from harness.rounds import Rounds, checked
from harness.rows import CONTROL, Row


def window(cpu_us: float, statuses=None, broken: int = 0) -> Window:
    return Window(
        1000, 1.0, statuses or {"200": 1000}, broken, 0, cpu_us, cpu_us / 4, cpu_us * 3 / 4, cpu_us * 1.3, 20_000
    )


def some_results(control: list[float], ratio: float = 0.9) -> results.Results:
    """A run in which every row of the quick plan costs `ratio` of the control."""
    rounds = Rounds()
    for value in control:
        rounds.control.append(value)
        rounds.windows[CONTROL].append(window(value))
        for row in rows.quick():
            rounds.windows[row].append(window(value * (ratio if row.proxy == "portcullis" else 1)))
    return results.Results.of("quick", 3, rounds, {}, {"nginx": "1.22.1"})


class Statistics(unittest.TestCase):
    def test_medians(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 2, 3]), 2.5)

    def test_an_interval_is_as_sure_as_the_binomial_distribution_says(self):
        self.assertEqual(stats.coverage(6, 0), 1 - 2 / 64)
        for count, low, high, sure in [
            (5, 1, 5, 0.9375),
            (6, 1, 6, 0.96875),
            (7, 1, 7, 0.984375),
            (9, 2, 8, 0.9609375),
        ]:
            found = stats.summary([float(n) for n in range(count, 0, -1)])
            self.assertEqual((found.low, found.high, found.sure), (low, high, sure), count)

    def test_one_value_is_its_own_interval(self):
        found = stats.summary([4.0])
        self.assertEqual((found.median, found.low, found.high, found.sure), (4.0, 4.0, 4.0, 0.0))

    def test_ratios_go_round_by_round(self):
        self.assertEqual(stats.ratios([1, 6], [2, 3]), [0.5, 2])
        with self.assertRaises(ValueError):
            stats.ratios([1], [1, 2])

    def test_rounds_whose_control_moved_do_not_count(self):
        self.assertEqual(stats.steady([20, 21, 26, 20.5, 20.2], 0.1), [0, 1, 3, 4])
        self.assertEqual(stats.steady([20, 20, 20], 0.1), [0, 1, 2])
        self.assertEqual(len(stats.steady([10, 20, 30], 0.1)), 1)
        self.assertEqual(stats.steady([], 0.1), [])


class Parsing(unittest.TestCase):
    def test_a_process_name_may_hold_anything(self):
        fields = machine.stat_fields("12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 71 42 0 0")
        self.assertEqual((fields[11], fields[12]), ("71", "42"))

    def test_a_busy_core_counts_interrupts_but_neither_idle_nor_stolen_time(self):
        text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 1 20 400 50 2 3 77 0 0\ncpu10 5 5 5 5 5 5 5 5 0 0\n"
        self.assertEqual(machine.busy_ticks(0, text), 36)

    def test_calls_of_strace_with_and_without_errors(self):
        text = (
            "% time     seconds  usecs/call     calls    errors syscall\n"
            "------ ----------- ----------- --------- --------- ----------------\n"
            " 52.11    0.101000           4     20010         5 recvfrom\n"
            " 47.00    0.091000           4     20000           sendto\n"
            "100.00    0.192000           4     40010         5 total\n"
        )
        self.assertEqual(calls.parse(text), {"recvfrom": 20010, "sendto": 20000})
        self.assertEqual(calls.socket_calls({"recvfrom": 2.0, "sendto": 2.0, "epoll_wait": 0.1}), 4.0)

    def test_a_profile_that_is_not_complete_has_no_sum(self):
        self.assertIsNone(instructions.total("events: Ir\nfn=main\n1 20\n"))
        self.assertEqual(instructions.total("fn=main\n1 20\n\ntotals: 1234\n"), 1234)

    def test_the_program_of_the_target_is_found(self):
        messages = "\n".join(
            json.dumps(one)
            for one in [
                {"reason": "compiler-artifact", "target": {"name": "load"}, "executable": "/t/load-1"},
                {"reason": "compiler-artifact", "target": {"name": "portcullis"}, "executable": None},
                {"reason": "compiler-artifact", "target": {"name": "portcullis"}, "executable": "/t/portcullis"},
                {"reason": "build-finished", "success": True},
            ]
        )
        self.assertEqual(tools.executable(messages, "load"), Path("/t/load-1"))
        self.assertEqual(tools.executable(messages, "portcullis"), Path("/t/portcullis"))


class Plan(unittest.TestCase):
    def test_keys_lead_back_to_their_rows(self):
        for row in [*rows.full(), *rows.quick(), CONTROL]:
            self.assertEqual(Row.from_key(row.key), row)

    def test_no_row_stands_twice_and_nobody_checks_what_it_cannot(self):
        for plan in (rows.full(), rows.quick(), rows.smoke()):
            self.assertEqual(len(plan), len(set(plan)))
            self.assertNotIn(CONTROL, plan)
            for row in plan:
                self.assertEqual(row.work == "open", not row.algorithm)
                self.assertTrue(not row.algorithm or row.algorithm in rows.CHECKING[row.proxy], row.key)

    def test_the_quick_run_has_all_that_goals_compare(self):
        measured = {*rows.quick(), CONTROL}
        for _, ours, theirs in goals.RATIOS:
            self.assertLessEqual({ours, theirs}, measured)
        self.assertLessEqual(measured, {*rows.full(), CONTROL})

    def test_wrong_answers_end_the_run(self):
        good, bad = Row("portcullis", "hot", "RS256"), Row("portcullis", "forged", "RS256")
        checked(good, window(1.0))
        checked(bad, window(1.0, {"401": 1, "429": 9}))
        for row, statuses, broken in [
            (good, {"200": 9, "401": 1}, 0),
            (bad, {"401": 9, "200": 1}, 0),
            (good, {"200": 1}, 1),
        ]:
            with self.assertRaises(Failed):
                checked(row, window(1.0, statuses, broken))


class Crowd(unittest.TestCase):
    def test_keys_are_points_of_the_curve_and_all_different(self):
        self.assertEqual(crowd.encoded(crowd.BASE), bytes([0x58, *[0x66] * 31]))
        x, y = crowd.add(crowd.add(crowd.BASE, crowd.BASE), crowd.BASE)
        self.assertEqual((y * y - x * x - 1 - crowd.D * x * x * y * y) % crowd.P, 0)
        self.assertEqual(len({key["x"] for key in crowd.jwks(50)}), 50)


class Telling(unittest.TestCase):
    def test_goals_are_told_whether_measured_or_not(self):
        found = some_results([20.0, 20.5, 21.0])
        outcomes = goals.outcomes(found.rounds, found.more)
        first = outcomes[0]
        self.assertAlmostEqual(first.value, 0.9)
        self.assertEqual(first.verdict, "reached")
        self.assertEqual(outcomes[5].verdict, "not reached")
        self.assertEqual(outcomes[-1].verdict, "not measured")

    def test_results_survive_their_file_and_can_be_drawn(self):
        found = some_results([20.0, 20.5, 21.0, 30.0])
        latency = {
            "row": CONTROL.key,
            "share": 0.5,
            "rate": 100.0,
            "p50": [9.0],
            "p99": [50.0],
            "p99.9": [70.0],
            "generator_p99": 1.0,
        }
        found.more["latency"] = [latency | {"statuses": {"200": 1}, "answers": 1}]
        found.more["tokens"] = {"portcullis": {"1": [20.0], "1000": [25.0]}}
        with tempfile.TemporaryDirectory() as directory:
            results.write(found, Path(directory))
            again = results.read(Path(directory))
            self.assertEqual(report.text(again), report.text(found))
            self.assertEqual(again.rounds.kept(), [0, 1, 2])
            pictures = [path for path in plots.draw(again, Path(directory)) if path.suffix == ".svg"]
            self.assertEqual(len(pictures), 5)
            for picture in pictures:
                minidom.parse(str(picture))

    def test_the_marked_part_of_the_document_is_rewritten_and_nothing_else(self):
        found = some_results([20.0, 20.5, 21.0])
        with tempfile.TemporaryDirectory() as directory:
            document = Path(directory) / "benchmarks.md"
            document.write_text(f"# Before\n\n{report.BEGIN}\nyesterday\n{report.END}\n\nafter\n")
            report.write(found, Path(directory) / "plots", document)
            text = document.read_text()
            self.assertTrue(text.startswith("# Before\n") and text.endswith("after\n"))
            self.assertNotIn("yesterday", text)
            self.assertIn("| nginx, no authentication | 1k | 20.50 | 20.00–21.00 | 1.00 |", text)


if __name__ == "__main__":
    unittest.main()
