import SluiceBytes
import Testing

/// What is guarded is one thread's at a time.
struct GuardedTests {
    @Test func `threads that take turns lose nothing of what the others did`() async {
        final class Sum: Sendable {
            let value = Guarded((first: 0, second: 0))
        }
        let sum = Sum()
        let (tasks, turns) = (4, 50_000)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<tasks {
                group.addTask {
                    for _ in 0..<turns {
                        sum.value.withLock { value in
                            value.first += 1
                            value.second = value.first
                        }
                    }
                }
            }
        }
        sum.value.withLock { value in
            #expect(value.first == tasks * turns)
            #expect(value.second == value.first)
        }
    }

    @Test func `the lock is free again after what throws`() {
        struct Failure: Error {}
        let guarded = Guarded(1)
        #expect(throws: Failure.self) {
            try guarded.withLock { (value: inout Int) throws(Failure) in
                value = 2
                throw Failure()
            }
        }
        #expect(guarded.withLock { $0 } == 2)
    }
}
