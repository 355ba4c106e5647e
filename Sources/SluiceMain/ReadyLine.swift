import Foundation
import SluiceProxy

/// Prints the line that says where the gateway can be reached.
func printReadyLine(_ addresses: GatewayAddresses, isTLS: Bool) {
    let line = addresses.readyLine(isTLS: isTLS) + "\n"
    // Not `write(_: Data)`, which traps when the other end of a pipe is gone.
    try? FileHandle.standardOutput.write(contentsOf: Data(line.utf8))
}
