"""Hosts, operating systems, processes, threads, files, hardware, devices: numbers and closed lists, hardly ever a name."""

from __future__ import annotations

import sys
from typing import Final

from spanguard.privacy.conventions.kinds import (
    COUNT,
    SECONDS,
    Table,
    contents,
    counts,
    dropped,
    enums,
    flags,
    identities,
    listed,
    names,
)
from spanguard.privacy.conventions.known import SIZE, VERSION
from spanguard.privacy.rules import Number, count, known, one_of

_THREADS: Final = frozenset(
    """
    MainThread Thread-# ThreadPoolExecutor-#_# ProcessPoolExecutor-# asyncio_# Dummy-# QueueFeederThread MainProcess
    Process-# SpawnProcess-# ForkProcess-# ForkServerProcess-# ForkPoolWorker-# SpawnPoolWorker-# waitress-#
    OtelBatchSpanProcessor OtelBatchSpanRecordProcessor OtelBatchLogRecordProcessor OtelPeriodicExportingMetricReader
    """.split()
) | {"AnyIO worker thread", "CP Server Thread-#", "LogRecordProcessor"}
_MOST_DIGITS: Final = 3


def is_thread(name: str) -> bool:
    """Whether the name is one that Python gives to a thread by itself, with numbers of at most three digits."""
    pattern = ""
    digits = 0
    for character in name[:64]:
        if character not in "0123456789":
            digits = 0
            pattern += character
        else:
            digits += 1
            if digits > _MOST_DIGITS:
                return False
            pattern += "#" if digits == 1 else ""
    return len(name) <= len(pattern) + 2 * _MOST_DIGITS and pattern in _THREADS


HOST: Final[Table] = {
    "host.arch": listed("host.arch", "x86_64", "AMD64", "aarch64", "arm64", "i686", "armv7l", "ppc64le", "riscv64"),
    "host.cpu.vendor.id": one_of("GenuineIntel", "AuthenticAMD", "ARM", "Apple"),
    "host.cpu.cache.l2.size": SIZE,
    **identities("host.id"),
    **dropped(
        """
        host.name host.ip host.mac host.image.id host.image.name host.image.version host.type host.cpu.family
        host.cpu.model.id host.cpu.model.name host.cpu.stepping
        """
    ),
    "os.type": listed("os.type", "Linux", "Windows", "Darwin"),
    "os.name": one_of(
        *("Linux", "linux", "Windows", "Darwin", "macOS", "Mac OS X", "Ubuntu", "Debian", "Debian GNU/Linux", "Alpine"),
        *("Alpine Linux", "Fedora", "Fedora Linux", "CentOS", "Red Hat Enterprise Linux", "Amazon Linux", "Android", "iOS"),
        *("Rocky Linux", "AlmaLinux", "Arch Linux", "FreeBSD"),
    ),
    **dropped("os.build_id os.description os.version"),
}
PROCESS: Final[Table] = {
    **enums("process.context_switch.type process.cpu.state process.paging.fault_type process.state"),
    "process.runtime.name": one_of("cpython", "pypy", "graalpy", "micropython", "pyodide", sys.implementation.name),
    "process.runtime.version": VERSION,
    "process.exit.code": Number(-255, 255, whole=True),
    **flags("process.interactive"),
    "process.args_count": COUNT,
    **dict.fromkeys(
        "process.pid process.parent_pid process.vpid process.group_leader.pid process.session_leader.pid thread.id".split(),
        count(1 << 22),  # the largest that Linux gives
    ),
    **dropped(
        """
        process.command process.command_args process.command_line process.creation.time process.environment_variable
        process.executable.build_id.gnu process.executable.build_id.go process.executable.build_id.htlhash
        process.executable.build_id.profiling process.executable.name process.executable.path process.exit.time
        process.linux.cgroup process.owner process.real_user.id process.real_user.name process.runtime.description
        process.saved_user.id process.saved_user.name process.title process.user.id process.user.name
        process.working_directory
        """
    ),
    "thread.name": known(is_thread),
    "cpython.gc.generation": count(3),
    "generation": count(3),
    "gc.generation": count(3),
    "type": one_of(
        *("rss", "vms", "user", "system", "idle", "voluntary", "involuntary", "percent", "total", "used", "free"),
    ),
}
FILE: Final[Table] = {
    **enums("file.lock.type"),
    "file.lock.mechanism": one_of("posix", "flock", "ofd"),
    "file.lock.mode": one_of("advisory", "mandatory"),
    "file.size": SIZE,
    **dropped(
        """
        file.accessed file.attributes file.changed file.created file.directory file.extension file.fork_name
        file.group.id file.group.name file.inode file.mode file.modified file.name file.owner.id file.owner.name
        file.path file.symbolic_link.target_path
        """
    ),
}
SYSTEM: Final[Table] = {
    **enums(
        """
        cpu.mode disk.io.direction linux.memory.slab.state system.cpu.state system.filesystem.state
        system.filesystem.type system.memory.linux.hugepages.state system.memory.linux.slab.state system.memory.state
        system.network.state system.paging.direction system.paging.fault.type system.paging.state system.paging.type
        system.process.status system.processes.status
        """
    ),
    "direction": one_of("read", "write", "transmit", "receive", "in", "out"),
    "protocol": one_of("tcp", "udp", "tcp4", "tcp6", "udp4", "udp6"),
    "family": one_of("2", "10", "30"),
    "cpu": count(4096),
    "cpu.logical_number": count(4096),
    "system.cpu.logical_number": count(4096),
    "system.filesystem.mode": one_of("rw", "ro", "rw,ro"),
    **dropped("system.device system.filesystem.mountpoint device"),
}
HARDWARE: Final[Table] = {
    **enums("hw.battery.state hw.gpu.task hw.limit_type hw.logical_disk.state hw.physical_disk.state hw.state"),
    **enums("hw.tape_drive.operation_type hw.type"),
    "hw.memory.type": one_of("DDR3", "DDR4", "DDR5", "LPDDR5", "HBM2", "HBM3"),
    "hw.physical_disk.type": one_of("HDD", "SSD", "NVMe", "10K"),
    "hw.battery.chemistry": one_of("Li-ion", "NiMH", "LiPo"),
    "hw.logical_disk.raid_level": one_of("RAID0", "RAID1", "RAID5", "RAID6", "RAID10", "RAID0+1"),
    **identities("hw.id"),
    **dropped(
        """
        hw.battery.capacity hw.bios_version hw.driver_version hw.enclosure.type hw.firmware_version hw.model hw.name
        hw.network.logical_addresses hw.network.physical_address hw.parent hw.physical_disk.smart_attribute
        hw.sensor_location hw.serial_number hw.vendor
        """
    ),
}
DEVICE: Final[Table] = {
    **identities("device.id app.installation.id app.build_id app.crash.id"),
    **names("app.screen.name app.widget.name"),
    **counts("app.jank.frame_count app.screen.coordinate.x app.screen.coordinate.y"),
    "app.jank.period": SECONDS,
    "app.jank.threshold": SECONDS,
    **dropped("device.manufacturer device.model.identifier device.model.name app.screen.id app.widget.id"),
    **enums("geo.continent.code"),
    **dropped("geo.country.iso_code geo.locality.name geo.location.lat geo.location.lon geo.postal_code geo.region.iso_code"),
}

TABLE: Final[Table] = {**HOST, **PROCESS, **FILE, **SYSTEM, **HARDWARE, **DEVICE}
BELOW: Final[Table] = {
    **dropped("process.environment_variable. host. file. hw. geo. device. system."),
    **contents("process.command_args. process.command_line."),
}
