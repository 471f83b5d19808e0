/** Benchmarks of the request path; each lies in the package of what it measures. */
package io.netchannel.bench;
