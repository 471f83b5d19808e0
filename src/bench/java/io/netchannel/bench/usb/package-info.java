/**
 * What asks USB devices for examples/bench/usb: a process that opens them by their sources, is told
 * what to do line by line, and answers with what each request took.
 */
package io.netchannel.bench.usb;
