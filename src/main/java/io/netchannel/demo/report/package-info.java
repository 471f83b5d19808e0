/** What the demo has found, for a terminal, as a page with pictures, and for programs. */
package io.netchannel.demo.report;
