import SluiceVLLM
import Testing

@Suite struct MetricsSnapshotTests {
    private func snapshot(_ page: String, prefix: String = "") -> MetricsSnapshot {
        MetricsSnapshot(Array(page.utf8).span, prefix: prefix)
    }

    @Test func `a page of vLLM comes typed and whole`() throws {
        let page = try VLLMFixture.bytes("metrics-loaded.txt")
        let snapshot = MetricsSnapshot(page.span)
        #expect(snapshot.badLines == 0)
        #expect(snapshot.entries.allSatisfy { $0.name.hasPrefix("vllm:") })
        func first(_ name: String) throws -> MetricsSnapshot.Entry {
            try #require(snapshot.entries.first { $0.name == name }, "\(name)")
        }
        guard case .gauge(let running) = try first("vllm:num_requests_running").value,
            case .counter(let tokens) = try first("vllm:prompt_tokens").value,
            case .histogram(let count, let sum, let buckets) = try first(
                "vllm:time_to_first_token_seconds"
            ).value
        else {
            Issue.record("other kinds than vLLM's")
            return
        }
        #expect(running >= 0 && tokens > 0 && count > 0 && sum > 0)
        #expect(buckets.last?.bound == "+Inf")
        #expect(buckets.last?.count == count)
        #expect(zip(buckets, buckets.dropFirst()).allSatisfy { $0.count <= $1.count })
        let labels = try first("vllm:num_requests_running").labels
        #expect(labels.map(\.name).sorted() == ["engine", "model_name"])
        // Nothing of the page is missing: each sample line is in an entry.
        let lines = String(decoding: page, as: UTF8.self).split(separator: "\n")
            .count { $0.hasPrefix("vllm:") && !$0.contains("_created{") }
        let held = snapshot.entries.reduce(0) { total, entry in
            guard case .histogram(_, _, let buckets) = entry.value else { return total + 1 }
            return total + buckets.count + 2
        }
        #expect(held == lines)
    }

    @Test func `positions of a counter are a vector`() throws {
        let page = """
            # TYPE vllm:spec_decode_num_accepted_tokens_per_pos_total counter
            vllm:spec_decode_num_accepted_tokens_per_pos_total{model_name="m",position="1"} 7
            vllm:spec_decode_num_accepted_tokens_per_pos_total{model_name="m",position="0"} 9
            vllm:spec_decode_num_accepted_tokens_per_pos_total{model_name="m",position="-1"} 9
            vllm:spec_decode_num_accepted_tokens_per_pos_total{model_name="m",position="99999999"} 9

            """
        let snapshot = snapshot(page)
        try #require(snapshot.entries.count == 1)
        guard case .vector(let values) = snapshot.entries[0].value else {
            Issue.record("no vector")
            return
        }
        #expect(values == [9, 7])
        #expect(snapshot.entries[0].name == "vllm:spec_decode_num_accepted_tokens_per_pos")
        #expect(snapshot.badLines == 2)
    }

    @Test func `what has no kind stays what it is, and names are not taken for parts of others`()
        throws
    {
        let page = """
            # TYPE a gauge
            a_count 3
            # TYPE b histogram
            b_bucket{x="1"} 3
            b{x="1"} 4
            c{k="a\\"b\\\\c\\nd"} NaN
            nonsense
            """
        let snapshot = snapshot(page)
        try #require(snapshot.entries.count == 3)
        #expect(snapshot.entries.map(\.name) == ["a_count", "b", "c"])
        #expect(snapshot.entries[2].labels.map(\.value) == ["a\"b\\c\nd"])
        #expect(snapshot.badLines == 2)
        guard case .untyped(let value) = snapshot.entries[2].value else {
            Issue.record("typed")
            return
        }
        #expect(value.isNaN)
    }

    @Test func `a page that never ends is read as far as the bound`() throws {
        let line = "h_bucket{le=\"1\"} 1\n"
        let count = 4 * MetricsSnapshot.samplesMax
        let page = "# TYPE h histogram\n" + String(repeating: line, count: count)
        let snapshot = snapshot(page)
        guard case .histogram(_, _, let buckets) = try #require(snapshot.entries.first).value else {
            Issue.record("no histogram")
            return
        }
        #expect(buckets.count == MetricsSnapshot.samplesMax)
        #expect(snapshot.badLines == count - MetricsSnapshot.samplesMax)
    }

    @Test func `only what is asked for is read`() {
        let page = "vllm:a 1\npython_b 2\nvllm_c 3\n"
        #expect(snapshot(page, prefix: "vllm:").entries.map(\.name) == ["vllm:a"])
        #expect(snapshot(page).entries.count == 3)
        #expect(snapshot(page, prefix: "none").entries.isEmpty)
    }
}
