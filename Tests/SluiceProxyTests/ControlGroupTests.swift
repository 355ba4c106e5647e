import Foundation
import Testing

@testable import SluiceProxy

/// Which limits of memory and CPU are the process's, with cgroups made of directories.
@Suite struct ControlGroupTests {
    /// The limits of a process whose /proc/self/cgroup is `membership`; nil is none.
    private func limits(
        _ membership: String?, _ files: [String: String]
    ) throws -> (memory: Int?, cpus: Int?) {
        let root = URL(fileURLWithPath: NSTemporaryDirectory() + "sluice-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        var all = files
        all["../member"] = membership
        for (name, text) in all {
            let file = root.appendingPathComponent("fs/\(name)").standardizedFileURL
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let group = ControlGroup(
            root: "\(root.path)/fs", membership: "\(root.path)/member")
        return (group.memoryMax(), group.cpuMax())
    }

    private let unit = "0::/system.slice/sluice.service\n"

    @Test func `the limits of a systemd unit are its own`() throws {
        let found = try limits(
            unit,
            [
                "system.slice/memory.max": "max\n", "system.slice/cpu.max": "max 100000\n",
                "system.slice/sluice.service/memory.max": "536870912\n",
                "system.slice/sluice.service/cpu.max": "150000 100000\n",
                // Of others.
                "system.slice/vllm.service/memory.max": "4096\n", "user.slice/memory.max": "4096\n",
            ])
        #expect(found == (536_870_912, 2))
    }

    @Test func `a lower limit above the unit holds`() throws {
        let found = try limits(
            unit,
            [
                "system.slice/memory.max": "1000\n", "system.slice/cpu.max": "100000 100000\n",
                "system.slice/sluice.service/memory.max": "2000\n",
                "system.slice/sluice.service/cpu.max": "400000 100000\n",
            ])
        #expect(found == (1_000, 1))
        #expect(try limits(unit, ["memory.max": "7\n", "cpu.max": "1 100000\n"]) == (7, 1))
    }

    @Test func `max is no limit`() throws {
        let found = try limits(
            unit,
            [
                "memory.max": "max\n", "system.slice/sluice.service/memory.max": "max\n",
                "system.slice/sluice.service/cpu.max": "max 100000\n",
            ])
        #expect(found == (nil, nil))
    }

    @Test(arguments: ["0::/\n", "", nil, "0::/../other.slice\n", "0::/gone (deleted)\n"])
    func `in a container, and where nothing is known, the root's limit holds`(
        membership: String?
    ) throws {
        let files = [
            "memory.max": "1000\n", "cpu.max": "200000 100000\n", "../other.slice/memory.max": "1",
        ]
        #expect(try limits(membership, files) == (1_000, 2))
        #expect(try limits(membership, [:]) == (nil, nil))
    }

    @Test func `cgroup v1 limits by controller, in a unit, in a container and beside v2`() throws {
        let lines = "4:memory:/a\n3:cpu,cpuacct:/a/b\n1:name=systemd:/c\n0::/d\n"
        let files = [
            "memory/a/memory.limit_in_bytes": "1000\n", "memory/memory.limit_in_bytes": "2000\n",
            "memory/c/memory.limit_in_bytes": "1\n", "cpu/a/b/cpu.cfs_quota_us": "250000\n",
            "cpu/a/b/cpu.cfs_period_us": "100000\n", "cpu/a/cpu.cfs_quota_us": "-1\n",
            "cpu/a/cpu.cfs_period_us": "100000\n",
        ]
        #expect(try limits(lines, files) == (1_000, 3))
        #expect(try limits(lines, files.merging(["d/memory.max": "7"]) { $1 }) == (7, 3))
        // The path is the host's, and what is mounted is the container's own.
        let hosts = "4:memory:/docker/x\n3:cpuacct:/a/b\n"
        #expect(try limits(hosts, files) == (2_000, nil))
        let none = ["memory/memory.limit_in_bytes": "9223372036854771712\n"]
        #expect(try limits("4:memory:/\n", none).memory == nil)
    }

    @Test(arguments: [
        "", "\n", "x 100000\n", "100000\n", "1 0\n", "0 1\n", "-1 100000\n", "1 2 3\n",
        "99999999999999999999 100000\n",
    ])
    func `what is no quota limits nothing`(text: String) throws {
        #expect(try limits(unit, ["cpu.max": text]).cpus == nil)
    }

    @Test func `the largest quota does not overflow`() throws {
        let text = "\(Int.max) \(Int.max)\n"
        #expect(try limits(unit, ["cpu.max": text, "memory.max": "\(Int.max)\n"]) == (.max, 1))
    }
}
