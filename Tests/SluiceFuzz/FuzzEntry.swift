import Foundation
import FuzzTestSupport

/// What is fuzzed: SLUICE_FUZZ_TARGET, which `scripts/fuzz.sh` sets.
private let target: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["SLUICE_FUZZ_TARGET"] ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        fatalError("SLUICE_FUZZ_TARGET is none of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
}()

/// What libFuzzer calls with each input; it ends in a trap where a rule is broken.
///
/// Source: LLVM, "libFuzzer", fuzz target.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // Safety: libFuzzer lends so many bytes for the call.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    if let problem = target.problem(input) { fatalError("\(target.rawValue): \(problem)") }
    return 0
}
