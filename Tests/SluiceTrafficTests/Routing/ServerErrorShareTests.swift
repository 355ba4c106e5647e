import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct ServerErrorShareTests {
    private var now = Instant(nanoseconds: 1_000_000_000_000)

    private func share(_ errors: Int, of answers: Int) -> ServerErrorShare {
        var share = ServerErrorShare()
        for index in 0..<answers { share.record(isError: index < errors, now: now) }
        return share
    }

    @Test(arguments: [(1, 1, false), (2, 2, true), (1, 19, false), (5, 100, false), (6, 100, true)])
    func `one error in twenty is no sign, more is`(errors: Int, answers: Int, isSign: Bool) {
        #expect(share(errors, of: answers).isAboveFloor == isSign)
    }

    @Test func `five times another's share is not yet an outlier, more is`() {
        let other = share(2, of: 100)
        #expect(!share(10, of: 100).isOutlier(beside: other))
        #expect(share(11, of: 100).isOutlier(beside: other))
        #expect(!share(0, of: 100).isOutlier(beside: share(0, of: 100)))
        // Little is known of the other, and that little is no better.
        #expect(!share(8, of: 8).isOutlier(beside: share(1, of: 1)))
        #expect(share(8, of: 8).isOutlier(beside: share(0, of: 1)))
    }

    @Test func `answers are forgotten after one to two spans`() {
        var share = share(30, of: 30)
        var empty = share.isEmpty(now: now + .seconds(59))
        #expect(!empty && share.isAboveFloor)
        empty = share.isEmpty(now: now + .seconds(60))
        #expect(!empty, "rotated at 59 s, so the answers are of the span before")
        empty = share.isEmpty(now: now + .seconds(120))
        #expect(empty && !share.isAboveFloor)
    }

    /// `rounds` answers of each replica in turn; those in `failing` answer 5xx.
    private func answer(_ harness: PoolHarness, _ rounds: Int, failing: Set<Int>) {
        for _ in 0..<rounds {
            // All at once, so that the router gives one to each replica that is open.
            let all = harness.ids.indices.compactMap { _ in harness.dispatch() }
            for one in all {
                let index = harness.ids.firstIndex(of: one.replica)
                let isFailing = index.map(failing.contains) ?? false
                one.release(isFailing ? .serverError : .success, now: harness.now)
            }
        }
    }

    private func warm(_ count: Int) -> PoolHarness {
        let harness = PoolHarness(replicas: count)
        for index in 0..<count { harness.observe(index, .probe(.healthy)) }
        return harness
    }

    @Test func `a replica that alone answers 500 is ejected`() {
        let harness = warm(3)
        answer(harness, 10, failing: [1])
        #expect(harness.state(1) == .ejected)
        #expect(harness.state(0) == .ready && harness.state(2) == .ready)
    }

    @Test func `of two, the one that answers 500 is ejected`() {
        let harness = warm(2)
        answer(harness, 10, failing: [0])
        #expect(harness.state(0) == .ejected)
        #expect(harness.state(1) == .ready)
    }

    @Test func `requests that are a 500 everywhere eject nobody`() {
        let harness = warm(3)
        answer(harness, 200, failing: [0, 1, 2])
        #expect((0..<3).allSatisfy { harness.state($0) == .ready })
        #expect(harness.snapshot.replicas.allSatisfy { $0.failed == 0 })
    }

    @Test func `a replica alone is not ejected by its 500s`() {
        let harness = warm(1)
        answer(harness, 50, failing: [0])
        #expect(harness.state(0) == .ready)
    }

    @Test func `without answers of others there is nothing to compare with`() {
        let harness = warm(2)
        harness.observe(1, .cordon)
        answer(harness, 50, failing: [0])
        #expect(harness.state(0) == .ready)
    }

    @Test func `a 500 neither adds to nor ends a streak of failures when it does not count`() {
        let harness = warm(1)
        for end in [PermitEnd.failed, .failed, .serverError, .failed] {
            harness.dispatch()?.release(end, now: harness.now)
        }
        #expect(harness.state(0) == .ejected)
    }
}
