import Testing

@testable import SluiceTraffic

@Suite struct RecentFailuresTests {
    private func after(failures: Int, then successes: Int) -> RecentFailures {
        var recent = RecentFailures()
        for _ in 0..<failures { recent.record(isFailure: true) }
        for _ in 0..<successes { recent.record(isFailure: false) }
        return recent
    }

    @Test(arguments: [
        (10, 0, false), (11, 0, true), (11, 9, true), (11, 10, false), (40, 9, true),
        (40, 10, false),
    ])
    func `more than half of the last twenty, at and just over`(
        failures: Int, successes: Int, isMajority: Bool
    ) {
        #expect(after(failures: failures, then: successes).isMajority == isMajority)
    }
}
