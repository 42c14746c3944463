/// The version of the package.
package let descentVersion = "0.1.0"
