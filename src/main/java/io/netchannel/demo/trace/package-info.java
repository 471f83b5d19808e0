/** Reads the mid-points' own traces and checks from them that every request had one outcome. */
package io.netchannel.demo.trace;
