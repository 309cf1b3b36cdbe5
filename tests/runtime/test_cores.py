"""How many cores there are to plan for, as the kernel describes them in many places."""

from __future__ import annotations

import pytest

from engine.runtime.cores import Cores, available_cores

V1 = "31 23 0:28 {root} {mount} rw,nosuid - cgroup cgroup rw,cpu,cpuacct"
V2 = "31 23 0:28 {root} {mount} rw,nosuid - cgroup2 cgroup2 rw"


class Machine:
    """Eight cores, and a process that the kernel describes in a folder."""

    def __init__(self, folder):
        self.proc, self.mount = folder / "proc", folder / "control groups"
        self.proc.mkdir()
        self._mounts = []

    def is_in(self, *lines):
        (self.proc / "cgroup").write_text("\n".join(lines) + "\n")

    def mounts(self, form, root="/", name="cpu"):
        mount = self.mount / name
        mount.mkdir(parents=True, exist_ok=True)
        self._mounts.append(form.format(root=root, mount=str(mount).replace(" ", "\\040")))
        (self.proc / "mountinfo").write_text("\n".join(["1 1 0:1 / / rw - ext4 /dev/x rw", *self._mounts]) + "\n")
        return mount

    def limit_v1(self, folder, quota, period="100000"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")

    def limit_v2(self, folder, text):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.max").write_text(f"{text}\n")

    def cores(self, n_affine=8):
        return available_cores(self.proc, n_machine=8, n_affine=n_affine)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_without_any_limit_there_are_those_of_the_machine(machine):
    assert machine.cores() == Cores(8, "the machine")


def test_the_affinity_is_a_limit(machine):
    assert machine.cores(n_affine=3) == Cores(3, "the CPU affinity")


def test_a_quota_of_version_1_is_a_limit(machine):
    machine.is_in("4:memory:/", "3:cpu,cpuacct:/")
    machine.limit_v1(machine.mounts(V1), 400_000)
    assert machine.cores() == Cores(4, "a CPU quota of 4")


def test_a_quota_of_version_2_is_a_limit(machine):
    machine.is_in("0::/")
    machine.limit_v2(machine.mounts(V2), "50000 25000")
    assert machine.cores() == Cores(2, "a CPU quota of 2")


@pytest.mark.parametrize(("quota", "number"), [(150_000, 2), (1_000, 1), (201_000, 3)])
def test_a_fraction_of_a_core_is_rounded_up(machine, quota, number):
    machine.is_in("0::/")
    machine.limit_v2(machine.mounts(V2), f"{quota} 100000")
    assert machine.cores().number == number


@pytest.mark.parametrize("text", ["max 100000", "", "-1 100000", "100000", "100000 0", "0 100000", "lots of it", "٣ ٣"])
def test_what_is_no_quota_is_no_limit(machine, text):
    machine.is_in("0::/", "no colon", "::")
    machine.limit_v2(machine.mounts(V2), text)
    assert machine.cores() == Cores(8, "the machine")


def test_the_limit_of_a_group_around_it_holds(machine):
    machine.is_in("0::/slice/service/task")
    mount = machine.mounts(V2)
    machine.limit_v2(mount / "slice", "200000 100000")
    machine.limit_v2(mount / "slice" / "service", "max 100000")
    machine.limit_v2(mount / "slice" / "service" / "task", "600000 100000")
    assert machine.cores().number == 2


def test_the_group_of_a_container_is_the_root_of_its_mount(machine):
    machine.is_in("3:cpu,cpuacct:/docker/abc")
    machine.limit_v1(machine.mounts(V1, root="/docker/abc"), 300_000)
    assert machine.cores().number == 3


def test_a_group_inside_of_what_the_mount_shows_is_found(machine):
    machine.is_in("3:cpu,cpuacct:/docker/abc/inner")
    machine.limit_v1(machine.mounts(V1, root="/docker/abc") / "inner", 300_000)
    assert machine.cores().number == 3


def test_a_group_that_the_mount_does_not_show_is_looked_for_at_its_root(machine):
    machine.is_in("0::/../../elsewhere")
    machine.limit_v2(machine.mounts(V2), "300000 100000")
    assert machine.cores().number == 3


@pytest.mark.parametrize("limited", ["cpu", "unified"])
def test_of_both_hierarchies_the_one_with_the_limit_counts(machine, limited):
    machine.is_in("2:cpu:/", "1:name=systemd:/", "0::/")
    mounts = {"cpu": machine.mounts(V1), "unified": machine.mounts(V2, name="unified")}
    machine.limit_v1(mounts["cpu"], 200_000 if limited == "cpu" else -1)
    if limited == "unified":
        machine.limit_v2(mounts["unified"], "200000 100000")
    assert machine.cores().number == 2


def test_a_quota_above_the_affinity_says_nothing(machine):
    machine.is_in("0::/")
    machine.limit_v2(machine.mounts(V2), "600000 100000")
    assert machine.cores(n_affine=2) == Cores(2, "the CPU affinity")


def test_this_machine_has_at_least_one():
    assert available_cores().number >= 1
