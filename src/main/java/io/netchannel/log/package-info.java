/**
 * How what is logged gets out: lines on stderr, from a thread of their own.
 *
 * <pre>
 *   any thread --queue, nothing is dropped--> AsyncAppender's thread --{@link io.netchannel.log.LogLine}--> stderr
 * </pre>
 *
 * Logback is told so in Java: to read the same from its XML takes a tenth of what a daemon needs to
 * start, and guests wait meanwhile.
 */
package io.netchannel.log;
