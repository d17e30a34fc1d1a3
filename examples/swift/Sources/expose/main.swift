import Glibc
import WMProxyKit

let server = try TunnelServer("{bind_addr: '127.0.0.1:0', map_http_bind: '127.0.0.1:0', tc: true, token: a secret}")
let client = try TunnelClient("{server: '\(server.address(of: "bind_addr") ?? "")', ts: true, token: a secret}")
try await client.add(Mapping("web", .http, domain: "localhost", to: "127.0.0.1:8080"))
let status = system("curl -sS \(try client.address(of: "web"))/")
print("\(server.statistics.httpRequests) request, \(server.statistics.bytesOut) bytes to the visitor")
try await client.stop()
try await server.stop()
exit(status == 0 ? 0 : 1)
