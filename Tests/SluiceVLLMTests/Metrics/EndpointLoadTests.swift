import SluiceBytes
import Testing

@testable import SluiceVLLM

@Suite struct EndpointLoadTests {
    private func read(_ text: String) -> EndpointLoad? {
        let bytes = Array(text.utf8)
        return EndpointLoad(bytes.span)
    }

    @Test(arguments: [
        "TEXT named_metrics.kv_cache_usage_perc=0.25, named_metrics.num_requests_waiting=3.0",
        "text named_metrics.num_requests_waiting=3,named_metrics.kv_cache_usage_perc=2.5e-1",
        "TEXT cpu_utilization=0.9, named_metrics.num_requests_waiting=3, x, =, a=b, "
            + "named_metrics.kv_cache_usage_perc=0.25,",
    ])
    func `a report says how many wait and how full the cache is`(text: String) {
        let load = read(text)
        #expect(load?.waiting == 3 && load?.kvUsage == 0.25)
    }

    @Test func `the cache may be missing`() {
        let load = read("TEXT named_metrics.num_requests_waiting=0")
        #expect(load?.waiting == 0 && load != nil && load?.kvUsage == nil)
    }

    @Test(arguments: [
        "", "TEXT", "TEXT ", "TEXT named_metrics.kv_cache_usage_perc=0.5",
        #"JSON {"named_metrics":{"num_requests_waiting":3}}"#, "BIN CAE=",
        "TEXT named_metrics.num_requests_waiting=-1",
        "TEXT named_metrics.num_requests_waiting=NaN", "TEXT named_metrics.num_requests_waiting=",
        "TEXT named_metrics.num_requests_waiting=1e300",
        "TEXT named_metrics.num_requests_waiting=3, named_metrics.kv_cache_usage_perc=7",
        "TEXT num_requests_waiting=3",
    ])
    func `anything else says nothing`(text: String) {
        #expect(read(text) == nil)
    }

    @Test func `values are read within a bound`() {
        let many = String(repeating: "a=1,", count: 100)
        #expect(read("TEXT \(many)named_metrics.num_requests_waiting=3") == nil)
    }
}
