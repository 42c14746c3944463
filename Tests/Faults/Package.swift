// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that the library's users neither build nor see it.
let package = Package(
  name: "Faults",
  dependencies: [.package(name: "Descent", path: "../..")],
  targets: [
    .executableTarget(
      name: "fault-run",
      dependencies: [
        .product(name: "Descent", package: "Descent"),
        .product(name: "OpenCLHost", package: "Descent"),
        .product(name: "Safetensors", package: "Descent"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
