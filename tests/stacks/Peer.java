// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;

/**
 * Java's JSSE as servers and as clients, many handshakes in one process: as python_peer.py, which says what is read and told.
 */
final class Peer {
	private static final int PATIENCE_MS = 5000;
	private static final String REQUEST = "GET / HTTP/1.0\r\n\r\n";
	private static final String HEADER = "HTTP/1.0 200 OK\r\n\r\n";
	// the objects that are read are flat, and nothing in them is escaped
	private static final Pattern OBJECT = Pattern.compile("\\{[^}]*\\}");
	private static final Pattern MEMBER = Pattern.compile("\"(\\w+)\": \"?([^\",}]*)");

	private static Map<String, String> parse(String object) {
		Map<String, String> members = new HashMap<>();
		for (Matcher member = MEMBER.matcher(object); member.find();)
			members.put(member.group(1), member.group(2));
		return members;
	}

	private static String quote(String text) {
		StringBuilder quoted = new StringBuilder("\"");
		text.chars().forEach(c -> quoted.append(c < ' ' || c > '~' || c == '"' || c == '\\'
			? String.format("\\u%04x", c) : String.valueOf((char) c)));
		return quoted.append('"').toString();
	}

	private static X509Certificate readCertificate(String path) throws IOException, GeneralSecurityException {
		try (InputStream stream = Files.newInputStream(Path.of(path))) {
			return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(stream);
		}
	}

	private static PrivateKey readKey(String path, String algorithm) throws IOException, GeneralSecurityException {
		String body = Files.readString(Path.of(path)).replaceAll("-----[A-Z ]+-----", "");
		return KeyFactory.getInstance(algorithm).generatePrivate(
			new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(body)));
	}

	/** One pair, whatever authorities and algorithms the other side names. */
	private static final class OnlyPair extends X509ExtendedKeyManager {
		private final X509Certificate certificate;
		private final PrivateKey key;

		OnlyPair(Map<String, String> job) throws IOException, GeneralSecurityException {
			certificate = readCertificate(job.get("certificate"));
			key = readKey(job.get("key"), certificate.getPublicKey().getAlgorithm());
		}

		@Override public String[] getClientAliases(String type, Principal[] issuers) { return new String[] {"pair"}; }
		@Override public String[] getServerAliases(String type, Principal[] issuers) { return new String[] {"pair"}; }
		@Override public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) { return chosen(types); }
		@Override public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
			return chosen(new String[] {type});
		}
		@Override public X509Certificate[] getCertificateChain(String alias) { return new X509Certificate[] {certificate}; }
		@Override public PrivateKey getPrivateKey(String alias) { return key; }

		private String chosen(String[] types) {
			return List.of(types).contains(key.getAlgorithm()) ? "pair" : null;
		}
	}

	private static SSLContext context(Map<String, String> job) throws IOException, GeneralSecurityException {
		KeyStore authorities = KeyStore.getInstance("PKCS12");
		authorities.load(null, null);
		authorities.setCertificateEntry("authority", readCertificate(job.get("authority")));
		TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
		trusted.init(authorities);
		KeyManager[] keys = job.containsKey("certificate") ? new KeyManager[] {new OnlyPair(job)} : new KeyManager[0];
		SSLContext made = SSLContext.getInstance("TLS");
		made.init(keys, trusted.getTrustManagers(), null);
		return made;
	}

	private static SSLParameters limits(Map<String, String> job) {
		return new SSLParameters(new String[] {job.get("standard")}, new String[] {"TLSv" + job.get("version")});
	}

	private static String seen(SSLSession session, long accepted) {
		boolean certificate = true;
		try {
			session.getPeerCertificates();
		} catch (SSLPeerUnverifiedException none) {
			certificate = false;
		}
		// JSSE does not say it: a session that is older than its connection was resumed
		boolean resumed = session.getCreationTime() < accepted;
		return String.format("{\"certificate\": %b, \"resumed\": %b, \"suite\": \"%s\"}\n", certificate, resumed,
			session.getCipherSuite());
	}

	private static void answer(SSLSocket peer, long accepted) {
		try (peer) {
			peer.setSoTimeout(PATIENCE_MS);
			peer.getInputStream().read(new byte[1000]);
			peer.getOutputStream().write((HEADER + seen(peer.getSession(), accepted)).getBytes(StandardCharsets.UTF_8));
		} catch (IOException refused) {
			// the client tells of it
		}
	}

	private static void serve(SSLServerSocket listener) {
		try {
			while (true) {
				SSLSocket peer = (SSLSocket) listener.accept();
				long accepted = System.currentTimeMillis();
				start(() -> answer(peer, accepted));
			}
		} catch (IOException ended) {
			throw new IllegalStateException(ended);
		}
	}

	private static void start(Runnable work) {
		Thread thread = new Thread(work);
		thread.setDaemon(true);
		thread.start();
	}

	private static int listen(String address, Map<String, String> job) throws IOException, GeneralSecurityException {
		SSLServerSocket listener = (SSLServerSocket) context(job).getServerSocketFactory()
			.createServerSocket(0, 50, InetAddress.getByName(address));
		SSLParameters limits = limits(job);
		limits.setWantClientAuth(job.get("asks").equals("optional"));
		if (job.get("asks").equals("required"))
			limits.setNeedClientAuth(true);
		listener.setSSLParameters(limits);
		start(() -> serve(listener));
		return listener.getLocalPort();
	}

	/** What counts is the answer, and not how the connection is closed. */
	private static String readToTheEnd(InputStream stream) throws IOException {
		ByteArrayOutputStream text = new ByteArrayOutputStream();
		byte[] received = new byte[65536];
		try {
			for (int length; (length = stream.read(received)) > 0;)
				text.write(received, 0, length);
		} catch (IOException closed) {
			if (text.size() == 0)
				throw closed;
		}
		return text.toString(StandardCharsets.UTF_8);
	}

	private static String visitOnce(String address, Map<String, String> job, SSLContext context) throws IOException {
		int port = Integer.parseInt(job.get("port"));
		Socket plain = new Socket();
		plain.connect(new InetSocketAddress(address, port), PATIENCE_MS);
		plain.setSoTimeout(PATIENCE_MS);
		try (SSLSocket peer = (SSLSocket) context.getSocketFactory().createSocket(plain, job.get("name"), port, true)) {
			SSLParameters limits = limits(job);
			limits.setServerNames(List.of(new SNIHostName(job.get("name"))));
			peer.setSSLParameters(limits);
			peer.getOutputStream().write(REQUEST.getBytes(StandardCharsets.UTF_8));
			String answer = readToTheEnd(peer.getInputStream());
			return answer.isEmpty() ? "{\"error\": \"closed\"}" : "{\"answer\": " + quote(answer) + "}";
		} catch (IOException error) {
			return "{\"error\": " + quote(error.toString()) + "}";
		}
	}

	private static List<String> visit(String address, Map<String, String> job) throws IOException, GeneralSecurityException {
		SSLContext context = context(job);
		List<String> said = new ArrayList<>();
		while (said.size() < Integer.parseInt(job.get("visits")))
			said.add(visitOnce(address, job, context));
		return said;
	}

	public static void main(String[] arguments) throws IOException, GeneralSecurityException {
		BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		for (String line; (line = lines.readLine()) != null;) {
			List<String> told = new ArrayList<>();
			for (Matcher object = OBJECT.matcher(line); object.find();) {
				Map<String, String> job = parse(object.group());
				if (arguments[0].equals("client"))
					told.addAll(visit(arguments[1], job));
				else
					told.add(String.valueOf(listen(arguments[1], job)));
			}
			System.out.println("[" + String.join(", ", told) + "]");
		}
	}
}
