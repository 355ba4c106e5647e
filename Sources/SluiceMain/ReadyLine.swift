import Foundation
import SluiceProxy

/// Prints the one line that says where the gateway can be reached.
///
/// Others wait for it: `sluice ready http://DATA admin=http://ADMIN status=http://STATUS`.
func printReadyLine(_ addresses: GatewayAddresses, isTLS: Bool) {
    var line = "sluice ready \(isTLS ? "https" : "http")://\(addresses.data)"
    if let admin = addresses.admin { line += " admin=http://\(admin)" }
    if let status = addresses.status { line += " status=http://\(status)" }
    // Not `write(_: Data)`, which traps when the other end of a pipe is gone.
    try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
}
