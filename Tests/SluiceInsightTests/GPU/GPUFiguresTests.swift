import Testing

@testable import SluiceInsight

@Suite struct GPUFiguresTests {
    /// Two GPUs as dcgm-exporter tells of them.
    static let page = """
        # HELP DCGM_FI_DEV_SM_CLOCK SM clock frequency (in MHz).
        # TYPE DCGM_FI_DEV_SM_CLOCK gauge
        DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-aa",device="nvidia0",Hostname="h",pod="vllm-0"} 1980
        DCGM_FI_DEV_SM_CLOCK{gpu="1",UUID="GPU-bb",device="nvidia1",Hostname="h",pod="vllm-1"} 1200
        DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-aa"} 90
        DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-bb"} 70
        DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-aa"} 61
        DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-bb"} 88
        DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-aa"} 500.5
        DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-bb"} 300
        DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-aa"} 75000
        DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-aa"} 25000
        DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-bb"} 90000
        DCGM_FI_DEV_FB_FREE{gpu="1",UUID="GPU-bb"} 10000
        DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-aa",err_code="0",err_msg="No Error"} 0
        DCGM_FI_DEV_XID_ERRORS{gpu="1",UUID="GPU-bb"} 79
        DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu="0",UUID="GPU-aa"} 4
        DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu="1",UUID="GPU-bb"} 64

        """

    private func read(_ text: String, _ gpus: [String] = []) -> GPUFigures? {
        GPUFigures(page: Array(text.utf8).span, gpus: gpus)
    }

    @Test func `of several GPUs the worst counts`() throws {
        let figures = try #require(read(Self.page))
        #expect(figures.count == 2)
        #expect(figures.clock == 1.2e9)
        #expect(figures.utilization == 0.8)
        #expect(figures.temperature == 88)
        #expect(figures.power == 800.5)
        #expect(figures.memoryUsage == 0.9)
        #expect(figures.isHeldDown == true)
        #expect(figures.faults == [GPUFigures.Fault(gpu: "1", xid: 79)])
        #expect(figures.xids == ["0": 0, "1": 79])
    }

    @Test(arguments: ["0", "GPU-aa"])
    func `only the replica's own are read, by index or by UUID`(gpu: String) throws {
        let figures = try #require(read(Self.page, [gpu]))
        #expect(figures.count == 1 && figures.wanted == 1)
        #expect(figures.clock == 1.98e9)
        // A power cap is no fault: many GPUs run at theirs.
        #expect(figures.isHeldDown == false)
        #expect(figures.faults.isEmpty)
    }

    @Test(arguments: [
        "", "up 1\n", "DCGM_FI_DEV_SM_CLOCK 1980\n", "DCGM_FI_DEV_SM_CLOCK{gpu=\"0\"} NaN\n",
        "DCGM_FI_DEV_SM_CLOCK{gpu=\"0\"} -1\n", "DCGM_FI_DEV_SM_CLOCK{gpu=\"0\"",
        "DCGM_FI_DEV_GPU_UTIL_EXTRA{gpu=\"0\"} 1\n",
    ])
    func `a page without their figures says nothing`(text: String) {
        #expect(read(text) == nil)
    }

    @Test func `the clock is that of busy GPUs, others clock down`() throws {
        let idle = Self.page.replacing("GPU-bb\"} 70", with: "GPU-bb\"} 20")
        #expect(try #require(read(idle)).clock == 1.98e9)
        let all = idle.replacing("GPU-aa\"} 90", with: "GPU-aa\"} 0")
        #expect(try #require(read(all)).clock == nil)
    }

    @Test(arguments: ["0\\nERROR forged", "\u{1B}[31m", "", String(repeating: "1", count: 65)])
    func `what cannot name a GPU is not read: it would go into the log`(name: String) {
        #expect(read("DCGM_FI_DEV_XID_ERRORS{gpu=\"\(name)\"} 79\n") == nil)
    }

    @Test func `what is on no page is not known, and the old name of a series counts`() throws {
        let text = "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{gpu=\"0\"} 40\n"
        let figures = try #require(read(text))
        #expect(figures.clock == nil && figures.memoryUsage == nil && figures.utilization == nil)
        #expect(figures.isHeldDown == true)
        #expect(try #require(read("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 40\n")).isHeldDown == nil)
    }

    @Test func `figures that no GPU has, and more GPUs than a host has, stop nothing`() throws {
        let text =
            "DCGM_FI_DEV_XID_ERRORS{gpu=\"0\"} 1e300\nDCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu=\"0\"} 1e300\n"
            + (1...100).map { "DCGM_FI_DEV_GPU_TEMP{gpu=\"\($0)\"} 50\n" }.joined()
        let figures = try #require(read(text))
        #expect(figures.count == GPUFigures.gpusMax)
        #expect(figures.faults.isEmpty && figures.isHeldDown == false)
    }
}
